import { hostMetricGroups } from '../../agent/host-metric-groups.ts'
import type { Texts } from './english.ts'

export const portuguese: Texts = {
  help: `platziverse-agent: envia as métricas desta máquina a um broker MQTT e mostra o que os agentes enviam

Uso: platziverse-agent [opções]            enviar
     platziverse-agent --watch [opções]    ver os agentes e suas métricas, ao vivo
     platziverse-agent pub [opções]        publicar uma mensagem; veja pub --help
     platziverse-agent sub [opções]        mostrar mensagens; veja sub --help

  --url <endereço>     o broker; padrão: mqtt://127.0.0.1:8083; também mqtts, ws, wss
  --cafile <arquivo>   confiar na autoridade deste arquivo PEM
  --cert <arquivo>     o certificado com que este cliente se identifica, em PEM
  --key <arquivo>      a chave dele
  --name <texto>       o nome do agente; padrão: o da máquina
  --username <texto>   o usuário em nome de quem o agente envia; com uma senha, também o do broker
  --password <texto>   a senha do broker; melhor no ambiente: PLATZIVERSE_PASSWORD
  --interval <ms>      entre dois envios; padrão: 5000
  --uuid <texto>       quem é o agente; padrão: criado uma vez por nome e mantido na pasta de dados do usuário
  --will-delay <s>     segundos sem conexão após os quais o broker diz que o agente saiu; padrão: 10; só com MQTT 5
  --only <grupos>      alguns de ${hostMetricGroups.join(',')}; padrão: todos
  --no-commands        não obedecer a config_change/{uuid} nem a config_change/all
  --once               enviar uma vez, esperar a confirmação do broker e terminar
  --watch              mostrar o que todos os agentes enviam; q sai. Para um pipe: uma linha por mensagem
  --json               com --watch: cada mensagem como uma linha de JSON
  --verbose            mostrar cada envio e cada tentativa que falhou
  --lang <en|es|pt>    o idioma do que as pessoas leem; padrão: o do ambiente (LANG)
  --version            mostrar a versão
  --help               mostrar isto

Termina com 0 quando parado por SIGINT ou SIGTERM, com 1 se --once não conseguiu enviar, com 2 se uma opção está errada.`,

  pubHelp: `platziverse-agent pub: publica uma mensagem em um broker MQTT

Uso: platziverse-agent pub -t <tópico> (-m <texto> | -n | -s | -l) [opções]

  -t, --topic <tópico>     onde
  -m, --message <texto>    o quê
  -n, --null-message       nada: com -r apaga o que está retido
  -s, --stdin-file         toda a entrada padrão
  -l, --stdin-line         cada linha da entrada padrão como uma mensagem
  -q, --qos <0|1|2>        padrão: 0
  -r, --retain             o broker a guarda para quem assinar depois`,

  subHelp: `platziverse-agent sub: mostra as mensagens de um broker MQTT

Uso: platziverse-agent sub -t <tópico> [-t <tópico> …] [opções]

  -t, --topic <filtro>     o que assinar, por exemplo agent/# ou config_change/+/state
  -q, --qos <0|1|2>        padrão: 0
  -v, --verbose            o tópico antes da mensagem
  --json                   cada mensagem como uma linha de JSON: topic, payload (base64 se não é texto), qos, retain
  -C, --count <número>     terminar depois de tantas mensagens
  -W, --timeout <segundos> terminar depois desse tempo: com 27 se até lá não se chegou a --count

Para um pipe, a mensagem sai como chegou, seguida de uma quebra de linha. Em um terminal, os caracteres a que ele obedeceria são substituídos.`,

  linkHelp: `
  -h, --host <nome>        a máquina do broker; padrão: 127.0.0.1
  -p, --port <número>      padrão: 8083
  --url <endereço>         em vez dos dois; também mqtts, ws, wss
  --cafile <arquivo>       confiar na autoridade deste arquivo PEM; com --host, conectar por TLS
  --cert <arquivo>         o certificado com que este cliente se identifica, em PEM
  --key <arquivo>          a chave dele
  -u, --username <texto>   o usuário do broker
  -P, --password <texto>   melhor no ambiente: PLATZIVERSE_PASSWORD
  -i, --id <texto>         o id de cliente; padrão: um próprio
  --lang <en|es|pt>        o idioma do que as pessoas leem
  --help                   mostrar isto

Termina com 0, com 1 se o broker não é alcançado ou recusa, com 2 se uma opção está errada.`,

  connectedAs: (name, uuid) => `conectado como ${name} (${uuid})`,
  reports: (metrics, interval) => `envia a cada ${interval}: ${metrics}`,
  reportsNothing: 'não envia nada: nenhuma métrica está ligada',
  disconnected: 'desconectado',
  lost: reason => `conexão perdida, tentando de novo: ${reason}`,
  back: 'conectado de novo',

  connecting: 'conectando…',
  connected: 'conectado',
  notConnected: reason => `sem conexão: ${reason}`,
  notAllowed: 'o broker não permite que este usuário ouça os agentes',
  counts: (agents, connected, rate) => `${agents} ${agents === '1' ? 'agente' : 'agentes'} · ${connected} ${connected === '1' ? 'conectado' : 'conectados'} · ${rate} mensagens/s`,
  forgotten: agents => `mais ${agents}, para os quais não há espaço`,
  waiting: 'Ninguém enviou nada ainda. Inicie um agente: platziverse-agent',
  more: metrics => `… mais ${metrics}`,
  noMetrics: 'ainda sem métricas',
  ago: text => `há ${text}`,
  keys: '↑↓ escolher · Enter todas as métricas · q sair',
  keysOpen: '↑↓ rolar · Esc voltar · q sair',
  tooSmall: 'Janela muito pequena.'
}
