// The texts of the flow that `npm start` makes, for terminals in other languages than English: by the ids in "flows/Monitor agents.json";
// `x` where a label is so much longer or shorter that its node would no longer stand in its column.

const listen = 'mosquitto_sub -p 8083 -t \'agent/#\' -v'

const texts = {
  es: {
    'fcd38fcaa65459df': { label: 'Monitorear agentes' },
    'c256f149305337c3': {
      x: 210,
      name: '1. Los agentes reportan a este broker.\\n Escucha en 127.0.0.1:8083.',
      info: 'El broker corre dentro de Node-RED. Su primera salida dice qué pasa con los clientes; la segunda envía estadísticas si en sus propiedades hay un intervalo.\n\n'
        + 'Para dejar entrar agentes de la red, abre el broker, marca **Permitir el acceso anónimo desde la red** y despliega.\n\n'
        + 'Los nodos link junto al broker llevan al ejemplo *Live dashboard*, si está.'
    },
    '5f8fd202578ab969': {
      x: 230,
      name: '2. Lo que reportan se comprueba y se guarda,\\n y solo entonces se confirma y se reenvía.',
      info: 'agent-in toma agent/connected, agent/disconnected y agent/message del broker y los comprueba. metric-store los guarda en la base de datos; el agente recibe su confirmación después. agent-out envía lo guardado a quienes se suscribieron al tema.\n\n'
        + 'El nodo debug *guardado* muestra cada mensaje en la barra lateral de depuración (el insecto, a la derecha) y, debajo de sí mismo, la última carga de CPU. El cuadrado de su borde lo apaga.\n\n'
        + `O míralo con cualquier cliente MQTT:\n\n    ${listen}\n\nLos números están en el archivo platziverse.sqlite del directorio de usuario de Node-RED.`
    },
    '2d7c54f0b1e69a83': { x: 640, name: 'guardado' },
    '04cc58ef9ea0005b': { x: 390, name: 'rechazado' },
    '106672a206018b81': { name: 'al broker' },
    '74525649e481d36a': { name: 'del broker' }
  },
  pt: {
    'fcd38fcaa65459df': { label: 'Monitorar agentes' },
    'c256f149305337c3': {
      x: 210,
      name: '1. Os agentes reportam a este broker.\\n Ele escuta em 127.0.0.1:8083.',
      info: 'O broker roda dentro do Node-RED. Sua primeira saída diz o que acontece com os clientes; a segunda envia estatísticas quando há um intervalo em suas propriedades.\n\n'
        + 'Para deixar entrar agentes da rede, abra o broker, marque **Permitir acesso anônimo pela rede** e implante.\n\n'
        + 'Os nós link ao lado do broker levam ao exemplo *Live dashboard*, se houver.'
    },
    '5f8fd202578ab969': {
      name: '2. O que reportam é verificado e gravado,\\n e só então confirmado e reenviado.',
      info: 'agent-in tira agent/connected, agent/disconnected e agent/message do broker e os verifica. metric-store os grava no banco de dados; o agente recebe a confirmação depois. agent-out envia o que foi gravado a quem assinou o tópico.\n\n'
        + 'O nó debug *gravado* mostra cada mensagem na barra lateral de depuração (o inseto, à direita) e, abaixo de si, a última carga de CPU. O quadrado na sua borda o desliga.\n\n'
        + `Ou veja com qualquer cliente MQTT:\n\n    ${listen}\n\nOs números estão no arquivo platziverse.sqlite do diretório de usuário do Node-RED.`
    },
    '2d7c54f0b1e69a83': { x: 640, name: 'gravado' },
    '04cc58ef9ea0005b': { name: 'rejeitado' },
    '106672a206018b81': { name: 'ao broker' },
    '74525649e481d36a': { name: 'do broker' }
  }
}

/** The flow with its texts in a language. */
export function translated (flow, language) {
  return flow.map(node => ({ ...node, ...texts[language]?.[node.id] }))
}
