import js from '@eslint/js'
import globals from 'globals'

// What would break under a strict content policy or open a door for markup is an error here, not a review remark.
const noMarkup = ['innerHTML', 'outerHTML', 'insertAdjacentHTML', 'write', 'writeln', 'srcdoc'].map(property => ({
  selector: `MemberExpression[property.name="${property}"]`,
  message: 'Texts become text nodes, never markup.',
}))

export default [
  js.configs.recommended,
  {
    files: ['static/*.js'],
    languageOptions: { globals: globals.browser, ecmaVersion: 2022 },
    rules: {
      eqeqeq: 'error',
      'no-eval': 'error',
      'no-implied-eval': 'error',
      'no-new-func': 'error',
      'no-script-url': 'error',
      'no-var': 'error',
      'prefer-const': ['error', { destructuring: 'all' }],
      'no-restricted-syntax': ['error', ...noMarkup],
    },
  },
  { files: ['static/widget.js'], languageOptions: { sourceType: 'script' } },
  { files: ['tests/*.js'], languageOptions: { globals: globals.node, ecmaVersion: 2022 } },
]
