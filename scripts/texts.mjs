// What `npm start` and `npm run dev` say, in the language of the terminal.

const texts = {
  en: {
    install: 'Installing the packages. The first time this takes two or three minutes',
    build: 'Building',
    start: 'Starting Node-RED',
    done: time => `done in ${time}`,
    failed: time => `failed after ${time}`,
    editorTaken: port => `Port ${port}, which the editor needs, is taken: maybe Node-RED already runs here. Stop the other program, or choose another port: PORT=${port + 1} npm start`,
    brokerTaken: port => `Port ${port}, which the MQTT broker needs, is taken. Stop the other program, or choose another port: MQTT_PORT=${port + 10} npm start`,
    portDenied: port => `Port ${port} is only for administrators: choose one from 1024 to 65535.`,
    portInvalid: (name, value) => `${name} is "${value}": it has to be a port from 1 to 65535.`,
    editor: 'Editor',
    dashboard: 'Dashboard',
    noDashboard: 'not in the flows of this user directory: the example Live dashboard adds it (Menu ▸ Import ▸ Examples)',
    broker: 'Broker',
    listen: 'Listen',
    stop: 'Stop'
  },
  es: {
    install: 'Instalando los paquetes. La primera vez tarda dos o tres minutos',
    build: 'Compilando',
    start: 'Arrancando Node-RED',
    done: time => `listo en ${time}`,
    failed: time => `falló tras ${time}`,
    editorTaken: port => `El puerto ${port}, que necesita el editor, está ocupado: quizá Node-RED ya está en marcha. Detén el otro programa o elige otro puerto: PORT=${port + 1} npm start`,
    brokerTaken: port => `El puerto ${port}, que necesita el broker MQTT, está ocupado. Detén el otro programa o elige otro puerto: MQTT_PORT=${port + 10} npm start`,
    portDenied: port => `El puerto ${port} es solo para administradores: elige uno de 1024 a 65535.`,
    portInvalid: (name, value) => `${name} es «${value}»: tiene que ser un puerto de 1 a 65535.`,
    editor: 'Editor',
    dashboard: 'Panel',
    noDashboard: 'no está en los flujos de este directorio de usuario: lo añade el ejemplo Live dashboard (Menú ▸ Importar ▸ Ejemplos)',
    broker: 'Broker',
    listen: 'Escuchar',
    stop: 'Parar'
  },
  pt: {
    install: 'Instalando os pacotes. Na primeira vez, leva dois ou três minutos',
    build: 'Compilando',
    start: 'Iniciando o Node-RED',
    done: time => `pronto em ${time}`,
    failed: time => `falhou após ${time}`,
    editorTaken: port => `A porta ${port}, de que o editor precisa, está ocupada: talvez o Node-RED já esteja em execução. Pare o outro programa ou escolha outra porta: PORT=${port + 1} npm start`,
    brokerTaken: port => `A porta ${port}, de que o broker MQTT precisa, está ocupada. Pare o outro programa ou escolha outra porta: MQTT_PORT=${port + 10} npm start`,
    portDenied: port => `A porta ${port} é só para administradores: escolha uma de 1024 a 65535.`,
    portInvalid: (name, value) => `${name} é "${value}": tem de ser uma porta de 1 a 65535.`,
    editor: 'Editor',
    dashboard: 'Painel',
    noDashboard: 'não está nos fluxos deste diretório do usuário: o exemplo Live dashboard o acrescenta (Menu ▸ Importar ▸ Exemplos)',
    broker: 'Broker',
    listen: 'Ouvir',
    stop: 'Parar'
  }
}

const { LC_ALL, LC_MESSAGES, LANG } = process.env
const wished = (LC_ALL || LC_MESSAGES || LANG || '').slice(0, 2)

/** `en`, `es` or `pt`. */
export const language = wished in texts ? wished : 'en'

/** As Node-RED calls it. */
export const locale = { en: 'en-US', es: 'es-ES', pt: 'pt-BR' }[language]

export const text = texts[language]
