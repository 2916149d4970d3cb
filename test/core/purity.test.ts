// Every thread instantiates the core over one shared memory. Sharing is therefore a property of the
// binary: a data segment would be written again by each later instance, a mutable global would be
// one per instance, and a start function would run once per instance. Exports take and return no
// i64, which reaches JavaScript as a signed BigInt and costs ten times a number.

import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";

const root = new URL("../../", import.meta.url);

type Node = string | Node[];

/** The text format as nested lists: `(a (b c))` becomes `["a", ["b", "c"]]`. */
function parseWat(text: string): Node[] {
  const top: Node[] = [];
  const open: Node[][] = [top];
  const tokens = /;;[^\n]*|\(;[^]*?;\)|"(?:[^"\\]|\\.)*"|[()]|[^\s()";]+/g;
  for (const [token] of text.matchAll(tokens)) {
    if (token.startsWith(";;") || token.startsWith("(;")) continue;
    if (token === "(") {
      const list: Node[] = [];
      open[open.length - 1].push(list);
      open.push(list);
    } else if (token === ")") {
      open.pop();
    } else {
      open[open.length - 1].push(token);
    }
  }
  return top;
}

function isList(node: Node | undefined, head?: string): node is Node[] {
  return Array.isArray(node) && (head === undefined || node[0] === head);
}

/** Every value type named by the `(param …)` and `(result …)` parts in front of a body. */
function valueTypes(signature: Node[]): string[] {
  const body = signature.findIndex((part, i) => i > 1 && !isList(part));
  return (body < 0 ? signature : signature.slice(0, body))
    .filter((part): part is Node[] => isList(part, "param") || isList(part, "result"))
    .flatMap((part) => part.slice(1) as string[])
    .filter((name) => !name.startsWith("$"));
}

/** The value types of `func`, whether written in place or through `(type $t)`. */
function signatureOf(func: Node[], fields: Node[][]): string[] {
  const use = func.find((part): part is Node[] => isList(part, "type"));
  if (use === undefined) return valueTypes(func);
  const types = fields.flatMap((field) =>
    field[0] === "rec" ? (field.slice(1) as Node[][]) : [field],
  );
  const type = types.find((field) => field[0] === "type" && field[1] === use[1]);
  const body = type?.find((part): part is Node[] => isList(part, "func"));
  if (body === undefined) throw new Error(`the type ${String(use[1])} is not declared`);
  return [...valueTypes(body), ...valueTypes(func)];
}

function exportsWithI64(fields: Node[][]): string[] {
  const found: string[] = [];
  for (const field of fields) {
    if (field[0] !== "export" || !isList(field[2], "func")) continue;
    const id = field[2][1];
    const func = fields.find((other) => other[0] === "func" && other[1] === id);
    if (func === undefined) throw new Error(`the exported function ${String(id)} is not defined`);
    if (signatureOf(func, fields).includes("i64")) found.push(String(field[1]));
  }
  return found;
}

function fieldsOf(text: string): Node[][] {
  const [module] = parseWat(text);
  if (!isList(module, "module")) throw new Error("not a module in the text format");
  return module.filter((field): field is Node[] => isList(field));
}

describe("the release core", () => {
  let fields: Node[][];
  let binary: WebAssembly.Module;

  const named = (head: string): Node[][] => fields.filter((field) => field[0] === head);

  beforeAll(() => {
    fields = fieldsOf(readFileSync(new URL("build/core.wat", root), "utf8"));
    binary = new WebAssembly.Module(readFileSync(new URL("dist/core/core.wasm", root)));
  });

  test("NoDataSegments: a second instance cannot overwrite state", () => {
    expect(
      named("data"),
      "Fix: no strings, no static arrays, no memory.data() in assembly/",
    ).toEqual([]);
  });

  test("NoMutableGlobals: all state is in the shared memory", () => {
    const mutable = named("global").filter((field) => field.some((part) => isList(part, "mut")));
    expect(mutable, "Fix: keep the value in a row of the memory").toEqual([]);
  });

  test("NoStartFunction: instantiating changes nothing", () => {
    expect(named("start"), "Fix: initialise through an exported function").toEqual([]);
  });

  test("MemoryIsTheOnlyImport", () => {
    expect(named("import").map((field) => (field[3] as Node[])[0])).toEqual(["memory"]);
    expect(WebAssembly.Module.imports(binary)).toEqual([
      { module: "env", name: "memory", kind: "memory" },
    ]);
  });

  test("NoI64InExports: numbers cross the boundary, never BigInts", () => {
    const message = "Fix: pass a page number as f64, or a count through the memory";
    expect(exportsWithI64(fields), message).toEqual([]);
  });

  test("the text and the binary describe the same exports", () => {
    const names = named("export").map((field) => JSON.parse(field[1] as string) as string);
    expect(names.sort()).toEqual(
      WebAssembly.Module.exports(binary)
        .map((e) => e.name)
        .sort(),
    );
  });
});

describe("the reader of the text format", () => {
  test("finds an i64 written in place and one behind a type", () => {
    const fields = fieldsOf(`(module
      (type $0 (func (param i32 i64)))
      (export "plain" (func $a)) (export "typed" (func $b)) (export "fine" (func $c))
      (func $a (param $x i32) (result i64) i64.const 0)
      (func $b (type $0) (param $0 i32) (param $1 i64) nop)
      (func $c (param $x i32) (local $y i64) nop) ;; (param i64)
    )`);
    expect(exportsWithI64(fields)).toEqual(['"plain"', '"typed"']);
  });
});
