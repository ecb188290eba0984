import stylistic from '@stylistic/eslint-plugin'
import tseslint from 'typescript-eslint'
import { walls } from './scripts/rooms.mjs'

const noNodeRed = {
  group: ['node-red', 'node-red/*', '@node-red/*', '**/nodes/**'],
  message: 'lib/ is the product without Node-RED: it imports neither node-red nor nodes/.'
}

/**
 * Files of lib/ that know neither Node.js nor a package: the browser may have them, too, so editors import their values.
 * They import one another only.
 */
const pure = [
  'lib/alerts/rules/saved-*.ts',
  'lib/agent/host-metric-groups.ts',
  'lib/broker/access/rules.ts',
  'lib/broker/limits.ts',
  'lib/broker/loopback.ts',
  'lib/mapping/presets/*.ts',
  'lib/mapping/rules/tried.ts',
  'lib/mapping/topic-rule.ts',
  'lib/messages/template-fields.ts',
  'lib/messages/timestamp.ts',
  'lib/messages/topics.ts',
  'lib/mqtt/*.ts',
  'lib/overview/shown.ts',
  'lib/query/series/names.ts',
  'lib/query/times.ts',
  'lib/store/retention/most-days.ts',
  'lib/time.ts'
]
const isPure = pure.map(file => file.replaceAll('.', '\\.').replace('*', '[^/]+')).join('|')

export default tseslint.config(
  { ignores: ['dist/', 'examples/', 'node_modules/', 'bench/node_modules/', 'bench/.work/', '.node-red/', '.cache/'] },
  ...tseslint.configs.recommended,
  stylistic.configs.customize({ braceStyle: '1tbs', commaDangle: 'never' }),
  {
    rules: {
      '@stylistic/space-before-function-paren': ['error', 'always'],
      '@stylistic/arrow-parens': ['error', 'as-needed'],
      '@stylistic/generator-star-spacing': ['error', 'both'],
      '@stylistic/yield-star-spacing': ['error', 'both'],
      '@stylistic/quotes': ['error', 'single', { avoidEscape: true, allowTemplateLiterals: 'always' }],
      // Texts and patterns stay in one piece, so that they are found.
      '@stylistic/max-len': ['error', { code: 180, ignoreStrings: true, ignoreTemplateLiterals: true, ignoreRegExpLiterals: true }],
      // What reads best differs from place to place.
      '@stylistic/indent-binary-ops': 'off',
      '@stylistic/list-style': 'off',
      '@stylistic/max-statements-per-line': 'off',
      '@stylistic/multiline-ternary': 'off',
      '@stylistic/operator-linebreak': 'off',
      '@stylistic/quote-props': 'off',
      '@stylistic/type-generic-spacing': 'off'
    }
  },
  {
    rules: {
      eqeqeq: 'error',
      'no-console': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/no-explicit-any': 'error'
    }
  },
  {
    files: ['lib/**/*.ts'],
    plugins: { rooms: { rules: { walls } } },
    rules: { 'no-restricted-imports': ['error', { patterns: [noNodeRed] }], 'rooms/walls': 'error' }
  },
  {
    files: [
      'nodes/*/editor.ts', 'nodes/*/editor/**/*.ts', 'nodes/shared/editor/**/*.ts',
      'nodes/*/{config,migrations}.ts', 'nodes/shared/{migrations,refusal}.ts', ...pure
    ],
    rules: {
      '@typescript-eslint/no-restricted-imports': ['error', {
        patterns: [
          // esbuild bundles these for the browser; tsconfig.editor.json checks that none uses what only Node.js has.
          {
            regex: `^(?!\\.)|^\\.(?:.*/)?lib/(?!${isPure.replaceAll('lib/', '')})`,
            message: 'This file runs in the browser: of lib/ it imports only what eslint.config.mjs lists as pure, and no package.'
          }
        ]
      }]
    }
  },
  {
    files: ['scripts/**', 'bench/**', 'test/**', 'lib/transfer/command.ts'],
    rules: { 'no-console': 'off' }
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      'no-restricted-syntax': ['error', {
        selector: 'Literal[value=/\\btsx\\b/]',
        message: 'Tests run on Node 24, which takes TypeScript as it is. What tsx makes of a file is longer: where both run, coverage counts neither right.'
      }]
    }
  }
)
