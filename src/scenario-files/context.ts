/** What the parts of a file are called, and how a fault is reported: with its place. */
import { ArgumentError, type ErrorCode } from "../errors.js";
import type { Catalogue } from "../kernel/catalogue.js";
import type { PageText, ProtText, SpanText } from "./file-types.js";
import { type Path, pathText, type YamlValue } from "./read-yaml.js";
import { PROT_WORDS } from "./schema.js";

/** Signals a scenario has. */
const SIGNALS = 8;

/** Everything that is looked up while a file becomes a scenario. */
export class Context {
  readonly mms = new Map<string, number>();
  readonly cpus = new Map<string, number>();
  readonly devices = new Map<string, number>();
  private readonly signals = new Map<string, number>();
  private readonly numbers = new Set<number>();
  /** Where in the file something of the scenario comes from, by its path there. */
  readonly origins = new Map<string, Path>();

  constructor(
    readonly yaml: YamlValue,
    readonly catalogue: Catalogue,
    private readonly pages: ReadonlyMap<string, number>,
    /** Printed before the line. */
    private readonly file: string,
  ) {}

  /** @throws ArgumentError with the field, its line and its column. */
  fail(path: Path, says: string, code: ErrorCode, more: Record<string, unknown> = {}): never {
    // What is said of a name that is a key is said where the key is.
    return failAt(this.yaml, this.file, path, says, code, more, more["value"] === path.at(-1));
  }

  page(text: PageText, path: Path): number {
    if (typeof text === "number") return text;
    const [base, offset = "0"] = text.split("+");
    const start = this.pages.get(base);
    if (start === undefined) {
      const known = [...this.pages.keys()].join(", ") || "none";
      this.fail(path, `no page is called ${base}; there are ${known}`, "E_NOENT", { value: base });
    }
    const page = start + Number(offset);
    if (page > 0xffff_ffff) {
      const says = `${text} is page ${page}, past 2^32 - 1`;
      this.fail(path, says, "E_ADDR_RANGE", { limit: 0xffff_ffff });
    }
    return page;
  }

  span([start, end]: SpanText, path: Path): [number, number] {
    const range: [number, number] = [this.page(start, [...path, 0]), this.page(end, [...path, 1])];
    if (range[0] > range[1]) {
      this.fail(path, `starts at ${range[0]}, behind its end ${range[1]}`, "E_INVERTED");
    }
    return range;
  }

  prot(text: ProtText): number {
    if (typeof text === "number") return text;
    return text.reduce((bits, word) => bits | PROT_WORDS[word], 0);
  }

  mm(text: string, path: Path): number {
    return this.lookUp(this.mms, "mm", text, path);
  }

  cpu(text: string, path: Path): number {
    return this.lookUp(this.cpus, "CPU", text, path);
  }

  device(text: string, path: Path): number {
    return this.lookUp(this.devices, "device", text, path);
  }

  private lookUp(from: ReadonlyMap<string, number>, kind: string, text: string, path: Path) {
    const found = from.get(text);
    if (found !== undefined) return found;
    const known = [...from.keys()].join(", ") || "none";
    this.fail(path, `no ${kind} is called ${text}; there are ${known}`, "E_NOENT", { value: text });
  }

  /** Numbers that a file uses itself are taken before names get theirs. */
  reserveSignal(index: number): void {
    this.numbers.add(index);
  }

  signal(text: number | string, path: Path): number {
    if (typeof text === "number") return text;
    const known = this.signals.get(text);
    if (known !== undefined) return known;
    for (let index = 0; index < SIGNALS; index++) {
      if (this.numbers.has(index)) continue;
      this.numbers.add(index);
      this.signals.set(text, index);
      return index;
    }
    this.fail(path, `there are ${SIGNALS} signals`, "E_LIMIT", { limit: SIGNALS });
  }

  /** Names of parts that the catalogue must have. */
  known(kind: "consumers" | "eras" | "policies", text: string, path: Path): void {
    if (text === "*") return;
    const names = this.catalogue.parts[kind].map(({ name }) => name);
    if (names.includes(text)) return;
    const one = { consumers: "consumer", eras: "era", policies: "policy" }[kind];
    const says = `no ${one} is called ${text}; there are ${names.join(", ")}`;
    this.fail(path, says, "E_NOENT", { value: text });
  }
}

/** @throws ArgumentError always. */
export function failAt(
  yaml: YamlValue,
  file: string,
  path: Path,
  says: string,
  code: ErrorCode,
  more: Record<string, unknown> = {},
  isKey = false,
): never {
  const { line, column } = isKey ? yaml.placeOfKey(path) : yaml.placeOf(path);
  const field = pathText(path) || "file";
  throw new ArgumentError(code, `${file}:${line}:${column}: ${field}: ${says}`, {
    argument: field,
    file,
    line,
    column,
    ...more,
  });
}
