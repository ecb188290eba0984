import tseslint from 'typescript-eslint'
import { walls } from './scripts/rooms.mjs'

const noNodeRed = {
  group: ['node-red', 'node-red/*', '@node-red/*', '**/nodes/**'],
  message: 'lib/ is the product without Node-RED: it imports neither node-red nor nodes/.'
}

export default tseslint.config(
  { ignores: ['dist/', 'examples/', 'node_modules/', 'bench/node_modules/', '.node-red/', '.cache/'] },
  ...tseslint.configs.recommended,
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
    files: ['nodes/*/editor*.ts', 'nodes/shared/editor/**/*.ts'],
    rules: {
      '@typescript-eslint/no-restricted-imports': ['error', {
        patterns: [
          { group: ['**/lib/**', 'node:*'], allowTypeImports: true, message: 'Editor code runs in the browser: it imports types and config.ts only.' }
        ]
      }]
    }
  },
  {
    files: ['scripts/**', 'bench/**', 'test/**', 'lib/agent/command.ts', 'lib/transfer/command.ts'],
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
