import type { IClientPublishOptions, MqttClient, PacketCallback } from 'mqtt'

/**
 * Has a client keep to what its broker takes at once, which MQTT.js does not: of QoS 1 and 2, no more messages are under way than `receiveMaximum`
 * [MQTT-3.3.4-9]. For a client that does not connect again.
 */
export function keepToQuota (client: MqttClient, receiveMaximum = 65_535): void {
  const publish = client.publish.bind(client)
  const waiting: Array<() => void> = []
  let underWay = 0
  client.publish = (topic: string, payload: string | Buffer, options?: IClientPublishOptions | PacketCallback, done?: PacketCallback): MqttClient => {
    if (typeof options === 'function') return client.publish(topic, payload, {}, options)
    if ((options?.qos ?? 0) === 0) return publish(topic, payload, options, done)
    const send = (): void => {
      underWay++
      publish(topic, payload, options, (error, packet) => {
        underWay--
        done?.(error, packet)
        if (underWay < receiveMaximum) waiting.shift()?.()
      })
    }
    if (underWay < receiveMaximum) send()
    else waiting.push(send)
    return client
  }
}
