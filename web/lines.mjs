/** Makes what this process says lines of JSON like those of gateway and inference, the framework's own words too. */
import { formatWithOptions, stripVTControlCharacters } from "node:util";

const TEXT_LENGTH_MAX = 2_000;
const LEVELS = { debug: "debug", log: "info", info: "info", warn: "warning", error: "error", trace: "error" };
const EVENT = /^[a-z]+(_[a-z]+)+$/;

/** One line: `event` and its fields where our code logs, `library_said` and the text for everybody else. */
function line(level, words) {
  const [event, fields] = words;
  const ours = typeof event === "string" && EVENT.test(event) && words.length <= 2;
  const text = () => stripVTControlCharacters(formatWithOptions({ colors: false }, ...words)).trim().slice(0, TEXT_LENGTH_MAX);
  const told = ours ? { event, ...fields } : { event: "library_said", text: text() };
  return JSON.stringify({ ...told, level, timestamp: new Date().toISOString() });
}

for (const [name, level] of Object.entries(LEVELS)) {
  console[name] = (...words) => {
    const said = line(level, words);
    if (!said.includes('"text":""')) process.stdout.write(`${said}\n`);
  };
}
