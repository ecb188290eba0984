import type { Texts } from './english.ts'

const tables = {
  ready: 'tabelas: em dia',
  older: 'tabelas: de uma versão anterior.\nO Node-RED as põe em dia ao abrir o banco de dados, e também "platziverse-store migrate". Não dá para desfazer: faça uma cópia antes.',
  none: 'ainda sem tabelas.\nO Node-RED as cria ao abrir o banco de dados, e também "platziverse-store migrate".'
}

export const portuguese: Texts = {
  help: `platziverse-store: cuida de um banco de dados do Platziverse

Uso: platziverse-store <comando> [opções]

  status                   o que há no banco de dados
  migrate                  levar as tabelas dele a esta versão
  migrate --to <endereço>  copiar tudo para outro banco de dados e comparar as quantidades; pare o Node-RED antes.
                           Se for interrompido, execute de novo: ele continua de onde parou
  export <arquivo>         gravar tudo em um arquivo de linhas de JSON ou, se o nome termina em .csv, as métricas
  import <arquivo>         ler um arquivo assim; o que já existe fica. Continua como migrate.
                           Nos dois, - como arquivo é a saída ou a entrada padrão

  --database <endereço>    um arquivo do SQLite, postgres://usuário:senha@host/banco, mysql://… ou mariadb://…;
                           melhor no ambiente: PLATZIVERSE_DATABASE; padrão: platziverse.sqlite
  --to <endereço>          o outro banco de dados; melhor no ambiente: PLATZIVERSE_TO
  --tls                    usar TLS com os servidores
  --ca <arquivo>           … e confiar na autoridade deste arquivo PEM
  --resume                 export: continuar um arquivo que não foi terminado
  --force                  export: substituir um arquivo que já existe
  --quiet                  não mostrar o andamento
  --lang <en|es|pt>        o idioma do que as pessoas leem; padrão: o do ambiente (LANG)
  --version                mostrar a versão
  --help                   mostrar isto

Termina com 0; com 1 se algo falhou, com 2 se uma opção está errada.`,

  status: (server, state) => `${server}, ${tables[state]}`,
  newest: 'a última',
  migrated: 'As tabelas são as desta versão.',
  written: lines => `${lines} ${lines === 1 ? 'linha gravada' : 'linhas gravadas'}.`,
  read: (lines, fresh) => `${lines} ${lines === 1 ? 'linha lida' : 'linhas lidas'}, ${fresh} ${fresh === 1 ? 'métrica era nova' : 'métricas eram novas'}.`,
  rows: rows => `${rows} ${rows === 1 ? 'linha' : 'linhas'}`,
  from: 'de',
  to: 'para',

  timescaleMissing: 'não está instalado',
  hypertable: version => `${version}, hipertabela, sem compressão`,
  compressed: (version, days) => `${version}, hipertabela, comprimida depois de ${days} dias`,
  apache: version => `${version}, hipertabela, sem compressão: a edição com licença Apache não pode`,
  next: version => `${version}, metrics vira uma hipertabela antes que as primeiras métricas sejam gravadas`,
  forbidden: version => `${version} está instalado, mas este usuário não pode transformar metrics em uma hipertabela`,
  plain: version => `${version} está instalado, mas metrics é uma tabela comum: já tem métricas`,

  keepsTrying: ['O nó continua tentando.', 'Nada se perde; o nó continua tentando.']
}
