import type { Texts } from './english.ts'

const tables = {
  ready: 'tablas: al día',
  older: 'tablas: de una versión anterior.\nNode-RED las pone al día al abrir la base de datos, y también "platziverse-store migrate". No se puede deshacer: conviene hacer antes una copia.',
  none: 'aún sin tablas.\nNode-RED las crea al abrir la base de datos, y también "platziverse-store migrate".'
}

export const spanish: Texts = {
  help: `platziverse-store: cuida de una base de datos de Platziverse

Uso: platziverse-store <comando> [opciones]

  status                   qué hay en la base de datos
  migrate                  llevar sus tablas a esta versión
  migrate --to <dirección> copiar todo a otra base de datos y comparar las cantidades; antes hay que parar Node-RED.
                           Si se interrumpe, ejecutarlo otra vez: continúa donde se quedó
  export <archivo>         escribir todo en un archivo de líneas de JSON o, si su nombre acaba en .csv, las métricas
  import <archivo>         leer un archivo así; lo que ya está se queda. Continúa igual que migrate.
                           En los dos, - como archivo es la salida o la entrada estándar

  --database <dirección>   un archivo de SQLite, postgres://usuario:contraseña@host/base, mysql://… o mariadb://…;
                           mejor en el entorno: PLATZIVERSE_DATABASE; por defecto, platziverse.sqlite
  --to <dirección>         la otra base de datos; mejor en el entorno: PLATZIVERSE_TO
  --tls                    usar TLS con los servidores
  --ca <archivo>           … y confiar en la autoridad de este archivo PEM
  --resume                 export: continuar un archivo que no se terminó
  --force                  export: reemplazar un archivo que ya existe
  --quiet                  no mostrar el avance
  --lang <en|es|pt>        el idioma de lo que leen las personas; por defecto, el del entorno (LANG)
  --version                mostrar la versión
  --help                   mostrar esto

Termina con 0; con 1 si algo falló, con 2 si una opción es incorrecta.`,

  status: (server, state) => `${server}, ${tables[state]}`,
  newest: 'la última',
  migrated: 'Las tablas son las de esta versión.',
  written: lines => `${lines} ${lines === 1 ? 'línea escrita' : 'líneas escritas'}.`,
  read: (lines, fresh) => `${lines} ${lines === 1 ? 'línea leída' : 'líneas leídas'}, ${fresh} ${fresh === 1 ? 'métrica era nueva' : 'métricas eran nuevas'}.`,
  rows: rows => `${rows} ${rows === 1 ? 'fila' : 'filas'}`,
  from: 'de',
  to: 'a',

  timescaleMissing: 'no está',
  hypertable: version => `${version}, hipertabla, sin comprimir`,
  compressed: (version, days) => `${version}, hipertabla, se comprime a los ${days} días`,
  apache: version => `${version}, hipertabla, sin comprimir: su edición con licencia Apache no puede`,
  next: version => `${version}, metrics pasa a ser una hipertabla antes de que se escriban las primeras métricas`,
  forbidden: version => `${version} está, pero este usuario no puede convertir metrics en una hipertabla`,
  plain: version => `${version} está, pero metrics es una tabla normal: ya tiene métricas`,

  keepsTrying: ['El nodo lo sigue intentando.', 'No se pierde nada; el nodo lo sigue intentando.']
}
