/**
 * YAML to plain values, with the place of each in the text. One document, no tags of its own, no
 * merge keys; aliases are allowed as long as they stay small and are not part of what they name.
 */
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type ParsedNode,
  parseDocument,
} from "yaml";
import { isShootdownError, ShootdownError } from "../errors.js";

/** Bytes of a file, as UTF-8. The largest that comes with the library has some 3,000. */
export const FILE_BYTES_MOST = 2 ** 18;
/** Values in a file, those that aliases repeat counted every time. */
export const VALUES_MOST = 20_000;
/** Lists and mappings inside of each other. */
export const DEPTH_MOST = 32;

/** A place in a text; both count from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** Keys and indices from the top. */
export type Path = readonly (string | number)[];

/** A document as values. */
export interface YamlValue {
  readonly value: unknown;
  /** Where the value of a path is; of what is not there, where it should be. */
  placeOf(path: Path): Place;
  /** Where its key is. */
  placeOfKey(path: Path): Place;
}

/** As `programs[0].steps`. */
export function pathText(path: Path): string {
  return path
    .map((key, i) => (typeof key === "number" ? `[${key}]` : i === 0 ? key : `.${key}`))
    .join("");
}

function refuse(
  code: "E_PARSE" | "E_LIMIT" | "E_DUP",
  says: string,
  { line, column }: Place,
  details: Record<string, unknown> = {},
): never {
  throw new ShootdownError(code, `line ${line}, column ${column}: ${says}`, {
    line,
    column,
    ...details,
  });
}

class Converter {
  readonly values = new Map<string, Place>();
  readonly keys = new Map<string, Place>();
  private readonly open = new Set<Node>();
  private count = 0;

  constructor(
    private readonly doc: Document.Parsed,
    private readonly lines: LineCounter,
  ) {}

  placeAt(offset: number): Place {
    const { line, col } = this.lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  }

  private placeOf(node: Node): Place {
    return this.placeAt(node.range?.[0] ?? 0);
  }

  /** Aliases stand where they are written, not where their anchor is. */
  convert(node: Node | null | undefined, path: Path, place: Place): unknown {
    this.count++;
    if (this.count > VALUES_MOST) {
      const says = `more than ${VALUES_MOST} values, aliases included`;
      refuse("E_LIMIT", says, place, { limit: VALUES_MOST });
    }
    if (path.length > DEPTH_MOST) {
      refuse("E_LIMIT", `nested deeper than ${DEPTH_MOST}`, place, { limit: DEPTH_MOST });
    }
    this.values.set(pathText(path), place);
    if (node === null || node === undefined) return null;
    if (isAlias(node)) return this.alias(node, path, place);
    if (
      node.tag !== undefined &&
      !/^tag:yaml\.org,2002:(map|seq|str|int|float|bool|null)$/.test(node.tag)
    ) {
      refuse("E_PARSE", `tag ${node.tag} is not known here`, place);
    }
    if (isScalar(node)) return this.scalar(node.value, place);
    if (this.open.has(node)) refuse("E_PARSE", "an alias of something it is itself part of", place);
    this.open.add(node);
    const value = isSeq(node)
      ? this.list(node.items as Node[], path)
      : this.mapping(node, path, place);
    this.open.delete(node);
    return value;
  }

  private scalar(value: unknown, place: Place): unknown {
    if (typeof value === "bigint") refuse("E_PARSE", "a number past 2^53", place);
    return value;
  }

  private alias(node: Node, path: Path, place: Place): unknown {
    const target = isAlias(node) ? node.resolve(this.doc) : undefined;
    if (target === undefined) refuse("E_PARSE", "an alias of no anchor", place);
    return this.convert(target, path, place);
  }

  private list(items: readonly Node[], path: Path): unknown[] {
    return items.map((item, i) => this.convert(item, [...path, i], this.placeOf(item)));
  }

  private mapping(node: Node, path: Path, place: Place): unknown {
    if (!isMap(node)) refuse("E_PARSE", "neither value, list nor mapping", place);
    const value: Record<string, unknown> = {};
    for (const pair of node.items) {
      const key = pair.key as Node;
      const at = this.placeOf(key);
      if (!isScalar(key) || typeof key.value !== "string") {
        refuse("E_PARSE", "keys must be words", at);
      }
      const name = key.value;
      if (name === "__proto__") refuse("E_PARSE", "no key may be called __proto__", at);
      const inner = [...path, name];
      const item = pair.value as Node | null;
      this.keys.set(pathText(inner), at);
      value[name] = this.convert(item, inner, item === null ? at : this.placeOf(item));
    }
    return value;
  }
}

function parse(text: string, lines: LineCounter): Document.Parsed<ParsedNode> {
  try {
    return parseDocument(text, {
      version: "1.2",
      schema: "core",
      lineCounter: lines,
      uniqueKeys: true,
      prettyErrors: false,
      stringKeys: false,
      // "silent" would keep quiet about a second document.
      logLevel: "error",
    });
  } catch (cause) {
    // The parser descends by recursion: that deep nothing of ours is nested.
    const says = `nested deeper than ${DEPTH_MOST}`;
    if (cause instanceof RangeError) {
      refuse("E_LIMIT", says, { line: 1, column: 1 }, { limit: DEPTH_MOST });
    }
    throw cause;
  }
}

/** Brackets that are open at the same time, at most: cheap, and before anything recurses. */
function checkBrackets(text: string): void {
  let depth = 0;
  for (let i = 0, line = 1, start = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 10) [line, start] = [line + 1, i + 1];
    if (c === 0x5b || c === 0x7b) depth++;
    else if ((c === 0x5d || c === 0x7d) && depth > 0) depth--;
    if (depth > 4 * DEPTH_MOST) {
      const place = { line, column: i - start + 1 };
      refuse("E_LIMIT", `nested deeper than ${DEPTH_MOST}`, place, { limit: DEPTH_MOST });
    }
  }
}

/**
 * Reads one YAML document.
 * @throws ShootdownError E_PARSE for what is not YAML, E_DUP for a key that is there twice, E_LIMIT
 * for what is too large or too deep; `details` has the line and the column
 */
export function readYaml(text: string): YamlValue {
  const bytes = new TextEncoder().encode(text).length;
  if (bytes > FILE_BYTES_MOST) {
    const says = `a scenario file has at most ${FILE_BYTES_MOST} bytes, this one ${bytes}`;
    refuse("E_LIMIT", says, { line: 1, column: 1 }, { limit: FILE_BYTES_MOST, bytes });
  }
  checkBrackets(text);
  const lines = new LineCounter();
  const doc = parse(text, lines);
  const converter = new Converter(doc, lines);
  const [problem] = [...doc.errors, ...doc.warnings];
  if (problem !== undefined) {
    const place = converter.placeAt(problem.pos[0]);
    refuse(problem.code === "DUPLICATE_KEY" ? "E_DUP" : "E_PARSE", problem.message, place);
  }
  const value = converter.convert(doc.contents, [], converter.placeAt(doc.contents?.range[0] ?? 0));
  const nearest = (from: ReadonlyMap<string, Place>, path: Path): Place => {
    const found = from.get(pathText(path));
    if (found !== undefined) return found;
    return path.length === 0
      ? { line: 1, column: 1 }
      : nearest(converter.values, path.slice(0, -1));
  };
  return {
    value,
    placeOf: (path) => nearest(converter.values, path),
    placeOfKey: (path) => nearest(converter.keys, path),
  };
}

/** As {@link readYaml}; faults begin with the name of the file, the line and the column. */
export function readYamlFile(text: string, file: string): YamlValue {
  try {
    return readYaml(text);
  } catch (error) {
    if (!isShootdownError(error)) throw error;
    const { line, column } = error.details;
    const says = error.message.replace(/^line \d+, column \d+: /, "");
    throw new ShootdownError(error.code, `${file}:${String(line)}:${String(column)}: ${says}`, {
      ...error.details,
      file,
    });
  }
}
