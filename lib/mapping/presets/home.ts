import type { Preset } from './preset.ts'

const availability = { online: 'online', offline: 'offline' }

export const zigbee2mqtt: Preset = {
  id: 'zigbee2mqtt',
  label: 'Zigbee2MQTT',
  rules: [
    // Up to version 1 the text alone, unless it was told otherwise; since then `{"state":"online"}`.
    { topic: 'zigbee2mqtt/{uuid}/availability', format: 'presence', presence: { ...availability, path: 'state' } },
    { topic: 'zigbee2mqtt/{uuid}', format: 'json', leave: ['update', 'update_available', 'last_seen', 'elapsed', 'device'] }
  ]
}

export const espHome: Preset = {
  id: 'esphome',
  label: 'ESPHome',
  rules: [
    { topic: '{uuid}/status', format: 'presence', presence: availability },
    { topic: '{uuid}/sensor/{type}/state', format: 'value' },
    // Names are unique among the entities of one kind alone: a sensor and a switch may both be `pump`.
    ...['binary_sensor', 'switch', 'number', 'select', 'cover', 'fan'].map(kind => ({ topic: `{uuid}/${kind}/{name}/state`, format: 'value' as const, type: `${kind}.{name}` })),
    ...['cover', 'fan', 'climate'].map(kind => ({ topic: `{uuid}/${kind}/{name}/{quantity}/state`, format: 'value' as const, type: `${kind}.{name}.{quantity}` })),
    { topic: '{uuid}/light/{name}/state', format: 'json', type: 'light.{name}' }
  ]
}

export const homie: Preset = {
  id: 'homie',
  label: 'Homie 4',
  rules: [
    // In all of these states but the last two it is connected to the broker.
    { topic: 'homie/{uuid}/$state', format: 'presence', presence: { online: 'init|ready|sleeping|alert', offline: 'disconnected|lost' } },
    { topic: 'homie/{uuid}/{node}/{property}', format: 'value', type: '{node}.{property}', leave: ['$*', '*.$*'] }
  ]
}

export const openMqttGateway: Preset = {
  id: 'openmqttgateway',
  label: 'OpenMQTTGateway',
  rules: [
    { topic: 'home/{uuid}/LWT', format: 'presence', presence: availability },
    { topic: 'home/{uuid}/SYStoMQTT', format: 'json', take: ['uptime', 'freemem', 'maxBlock', 'freestck', 'rssi', 'tempc'] },
    // For another program that decodes it: all devices together.
    { topic: 'home/{gateway}/BTtoMQTT/undecoded', format: 'json', uuid: '{gateway}', leave: ['*'] },
    {
      topic: 'home/{gateway}/BTtoMQTT/{uuid}',
      format: 'json',
      name: '{$.name}',
      leave: [
        'id', 'mac', 'mac_type', 'adv_type', 'brand', 'model', 'model_id', 'type', 'device', 'prmac', 'track', 'cidc', 'acts', 'cont', 'ctrl', 'manufacturerdata', 'service*', 'tempf*',
        // What iBeacons are, and what is still encrypted.
        'mfid', 'uuid', 'major', 'minor', 'txpower', 'encr', 'cipher', 'ctr', 'mic'
      ]
    }
  ]
}
