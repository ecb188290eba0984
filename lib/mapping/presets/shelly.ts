import type { Preset } from './preset.ts'

const there = { online: 'true', offline: 'false' }

export const shellyGen1: Preset = {
  id: 'shelly-gen1',
  label: 'Shelly Gen1',
  rules: [
    { topic: 'shellies/{uuid}/online', format: 'presence', presence: there },
    // Motion says everything here, and TRV in its information; in that of the others is what has topics of its own.
    { topic: 'shellies/{uuid}/status', format: 'json', take: ['motion', 'vibration', 'active', 'lux', 'bat', 'tmp'] },
    { topic: 'shellies/{uuid}/info', format: 'json', take: ['wifi_sta.rssi', 'uptime', 'thermostats', 'bat', 'charger'], leave: ['*.units', '*.is_valid'] },
    // Lights say everything in one object.
    { topic: 'shellies/{uuid}/{component}/{channel}/status', format: 'json', type: '{component}.{channel}' },
    { topic: 'shellies/{uuid}/{component}/{channel}/{quantity}', format: 'value', type: '{component}.{channel}.{quantity}', leave: ['*.command', '*.set'] },
    {
      topic: 'shellies/{uuid}/{component}/{channel}',
      format: 'value',
      type: '{component}.{channel}',
      // Events, why a sensor woke up, and commands; devices of the second generation whose topics begin so are read by their own rows.
      leave: ['input_event', 'sensor.act_reasons', '*.mute', '*.unmute', '*.start_self_test', 'status', 'events', 'command']
    },
    { topic: 'shellies/{uuid}/{type}', format: 'value', leave: ['announce', 'command', 'settings', 'ext_*', 'rpc'] }
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
