// Offer two services, with one executor or --procs of them.
import { parseArgs } from "node:util";
import { Refused, work } from "./worker.mjs";

const ROMAN = [
  ["M", 1000], ["CM", 900], ["D", 500], ["CD", 400], ["C", 100], ["XC", 90],
  ["L", 50], ["XL", 40], ["X", 10], ["IX", 9], ["V", 5], ["IV", 4], ["I", 1],
];

const services = {
  reverse: {
    usage: "reverse TEXT",
    doc: "Write a text backwards.",
    run(text) {
      if (text === "") throw new Refused(`expected a text; usage: ${this.usage}`);
      return [...text].reverse().join("");
    },
  },
  roman: {
    usage: "roman N",
    doc: "Write a number from 1 to 3999 in Roman numerals.",
    run(text) {
      if (!/^\s*\d+\s*$/.test(text)) throw new Refused(`'${text}' is not a number; usage: ${this.usage}`);
      const number = Number(text);
      if (number < 1 || number > 3999) throw new Refused(`${number} is not between 1 and 3999; usage: ${this.usage}`);
      let rest = number;
      let numeral = "";
      for (const [sign, value] of ROMAN) for (; rest >= value; rest -= value) numeral += sign;
      return `${number} is ${numeral}`;
    },
  },
};

const bus = process.env.LINEBUS_URL ?? "tcp://127.0.0.1:5555";
const options = { bus: { type: "string", default: bus }, procs: { type: "string", default: "1" } };
const { values } = parseArgs({ options });
work(services, values.bus, Number(values.procs));
