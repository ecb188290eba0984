import type { Preset } from './preset.ts'

const there = { online: 'true', offline: 'false' }

export const shellyGen1: Preset = {
  id: 'shelly-gen1',
  label: 'Shelly Gen1',
  rules: [
    { topic: 'shellies/{uuid}/online', format: 'presence', presence: there },
    // Lights say everything in one object.
    { topic: 'shellies/{uuid}/{component}/{channel}/status', format: 'json', type: '{component}.{channel}' },
    { topic: 'shellies/{uuid}/{component}/{channel}/{quantity}', format: 'value', type: '{component}.{channel}.{quantity}', leave: ['*.command', '*.set'] },
    { topic: 'shellies/{uuid}/{component}/{channel}', format: 'value', type: '{component}.{channel}', leave: ['input_event', 'status'] },
    { topic: 'shellies/{uuid}/{type}', format: 'value', leave: ['announce', 'info', 'command', 'status', 'settings', 'ext_*'] }
  ]
}

// Of components that a device has several of, `switch:0`; the others are about its own affairs.
const take = ['*:*', 'wifi.rssi', 'sys.uptime']
const leave = ['*.id', '*.source', '*.by_minute', '*.minute_ts']

export const shellyGen2: Preset = {
  id: 'shelly-gen2',
  label: 'Shelly Gen2+',
  rules: [
    { topic: '{uuid}/online', format: 'presence', presence: there },
    { topic: '{uuid}/events/rpc', format: 'json', take: take.map(path => `params.${path}`), leave, rename: { 'params.*': '*' }, time: { path: 'params.ts', unit: 's' } },
    { topic: '{uuid}/status/{component}', format: 'json', type: '{component}', take, leave }
  ]
}
