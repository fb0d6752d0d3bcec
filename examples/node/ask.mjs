// Ask lines and print the replies in order.
import { parseArgs } from "node:util";
import { Client, NoSession } from "./client.mjs";

const bus = process.env.LINEBUS_URL ?? "tcp://127.0.0.1:5555";
const options = { bus: { type: "string", default: bus }, wait: { type: "string", default: "2" } };

// The exit codes are those of `linebus ask` (docs/errors.md).
let client;
try {
  const { values, positionals: lines } = parseArgs({ options, allowPositionals: true });
  if (lines.length === 0) throw new Error("usage: node ask.mjs [--bus ADDRESS] [--wait SECONDS] LINE...");
  client = new Client(values.bus, { patienceS: Number(values.wait) });
  const replies = lines.map((line) => client.ask(line));
  for (const promise of replies) {
    const { outcome, text } = await promise;
    console.log(text);
    if (outcome !== "answered") process.exitCode = 1;
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = error instanceof NoSession ? 3 : 2;
} finally {
  client?.close();
}
