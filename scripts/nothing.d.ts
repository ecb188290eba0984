// In place of types that would bring the globals of Node.js to the browser, or the browser's to Node.js: see tsconfig.json and tsconfig.editor.json.
export {}
