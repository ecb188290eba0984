import { espHome, homie, openMqttGateway, zigbee2mqtt } from './home.ts'
import type { Preset } from './preset.ts'
import { sparkplugB, telegrafJson, telegrafLines, theThingsStack } from './servers.ts'
import { shellyGen1, shellyGen2 } from './shelly.ts'
import { tasmota, tasmotaByDevice } from './tasmota.ts'

export type { Preset } from './preset.ts'

/** In the order of the form's list. docs/other-topics.md explains each. */
export const presets: readonly Preset[] = [
  tasmota, tasmotaByDevice, shellyGen1, shellyGen2, zigbee2mqtt, espHome, homie, openMqttGateway, telegrafLines, telegrafJson, theThingsStack, sparkplugB
]
