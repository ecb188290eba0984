// In place of the types of Node-RED's editor where code runs in Node.js: see tsconfig.json.
export {}
