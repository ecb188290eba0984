import type { TopicRule } from '../topic-rule.ts'
import type { Preset } from './preset.ts'

/** By `FullTopic`: what comes first, the prefix (tele, stat) or the device. */
export const tasmota: Preset = { id: 'tasmota', label: 'Tasmota', rules: rulesOf((prefix, name) => `${prefix}/{uuid}/${name}`) }
export const tasmotaByDevice: Preset = { id: 'tasmota-by-device', label: 'Tasmota (%topic%/%prefix%/)', rules: rulesOf((prefix, name) => `{uuid}/${prefix}/${name}`) }

function rulesOf (topicOf: (prefix: string, name: string) => string): TopicRule[] {
  // `Time` is the device's local time, which does not say of which zone: the time of receipt is better.
  return [
    { topic: topicOf('tele', 'LWT'), format: 'presence', presence: { online: 'Online', offline: 'Offline' } },
    { topic: topicOf('tele', 'SENSOR'), format: 'json', leave: ['Time', 'Epoch', '*Unit', '*.Id', '*.TotalStartTime'] },
    { topic: topicOf('tele', 'STATE'), format: 'json', take: ['UptimeSec', 'Vcc', 'Heap', 'LoadAvg', 'MqttCount', 'POWER*', 'Dimmer', 'CT', 'Wifi.RSSI', 'Wifi.Signal', 'Wifi.LinkCount'] },
    // What was switched, at once; the answers to other commands are left out.
    { topic: topicOf('stat', 'RESULT'), format: 'json', take: ['POWER*', 'Dimmer', 'CT'] }
  ]
}
