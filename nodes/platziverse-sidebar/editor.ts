import { RED } from '../shared/editor/red.ts'
import { addSidebar } from './editor/sidebar.ts'
import { suggestionType, suggestNext } from './editor/suggestions.ts'

RED.plugins.registerPlugin('platziverse-sidebar', { onadd: addSidebar })
RED.plugins.registerPlugin('platziverse-suggestions', { type: suggestionType, getSuggestions: suggestNext })
