import type { Preset } from './preset.ts'

const topic = 'telegraf/{uuid}/#'

export const telegrafLines: Preset = { id: 'telegraf', label: 'Telegraf', rules: [{ topic, format: 'influx' }] }
export const telegrafJson: Preset = { id: 'telegraf-json', label: 'Telegraf (JSON)', rules: [{ topic, format: 'telegraf' }] }

export const theThingsStack: Preset = {
  id: 'the-things-stack',
  label: 'The Things Stack',
  rules: [{
    topic: 'v3/{application}/devices/{uuid}/up',
    format: 'json',
    take: ['uplink_message.decoded_payload', 'uplink_message.rx_metadata.0.rssi', 'uplink_message.rx_metadata.0.snr'],
    rename: { 'uplink_message.decoded_payload.*': '*', 'uplink_message.rx_metadata.0.*': '*' },
    time: { path: 'received_at', unit: 'iso' }
  }]
}

export const sparkplugB: Preset = {
  id: 'sparkplug',
  label: 'Sparkplug B',
  rules: [{ topic: 'spBv1.0/{group}/+/{node}/#', format: 'sparkplug', leave: ['Node Control/*', 'Device Control/*'] }]
}
