import { RED, textsOf } from '../shared/editor/red.ts'
import { databaseDefaults as defaults, type DatabaseConfig } from './config.ts'

const text = textsOf('platziverse-database')

RED.nodes.registerType<DatabaseConfig>('platziverse-database', {
  category: 'config',
  color: '#62b893',
  icon: 'platziverse-database.svg',
  defaults: {
    name: { value: defaults.name },
    client: { value: defaults.client },
    filename: {
      value: defaults.filename,
      validate: (value, _options) => String(value ?? '').trim() !== '' || text('platziverse-database.validation.filename')
    }
  },
  paletteLabel: () => text('platziverse-database.label.palette'),
  label () { return this.name || this.filename || text('platziverse-database.label.palette') },
  labelStyle () { return this.name ? 'node_label_italic' : '' }
})
