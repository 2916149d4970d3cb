// The project's style, as tests. A message says where and what to do about it.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

const COLUMNS_MAX = 100;
const LINES_MAX = 600;

/** Tracked files, and new ones that are not ignored: what a commit would hold. */
const files = execFileSync(
  "git",
  ["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
  {
    cwd: root,
    encoding: "utf8",
  },
)
  .split("\0")
  .filter((path) => path !== "" && existsSync(join(root, path)))
  .sort();

const code = files.filter((path) => /^(src|assembly|test|bench)\/.*\.(ts|js|mjs)$/.test(path));
const library = code.filter((path) => path.startsWith("src/"));
const core = code.filter((path) => path.startsWith("assembly/"));

const texts = new Map<string, string>();
function read(path: string): string {
  let text = texts.get(path);
  if (text === undefined) {
    text = readFileSync(join(root, path), "utf8");
    texts.set(path, text);
  }
  return text;
}

const trees = new Map<string, ts.SourceFile>();
function parse(path: string): ts.SourceFile {
  let tree = trees.get(path);
  if (tree === undefined) {
    tree = ts.createSourceFile(path, read(path), ts.ScriptTarget.ES2023, true);
    trees.set(path, tree);
  }
  return tree;
}

function lineOf(node: ts.Node): number {
  const tree = node.getSourceFile();
  return tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1;
}

function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => walk(child, visit));
}

/** Fails with one problem per line. */
function expectNone(problems: string[]): void {
  expect(problems.join("\n")).toBe("");
}

function linesWhere(path: string, isBad: (line: string) => boolean, message: string): string[] {
  return read(path)
    .split("\n")
    .flatMap((line, index) => (isBad(line) ? [`${path}:${index + 1}: ${message}`] : []));
}

/** The files of src/ that `path` imports, with the line of each import. */
function importsOf(path: string): { target: string; line: number }[] {
  const text = read(path);
  return ts.preProcessFile(text, true, true).importedFiles.flatMap(({ fileName, pos }) => {
    if (!fileName.startsWith(".")) return [];
    const target = posix.join(posix.dirname(path), fileName).replace(/\.js$/, ".ts");
    return library.includes(target)
      ? [{ target, line: text.slice(0, pos).split("\n").length }]
      : [];
  });
}

/** Every cycle once, as the list of its files, found by one depth-first walk. */
function importCycles(paths: string[]): string[][] {
  const done = new Set<string>();
  const cycles: string[][] = [];
  const visit = (path: string, trail: string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) cycles.push([...trail.slice(start), path]);
    if (start >= 0 || done.has(path)) return;
    for (const { target } of importsOf(path)) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const path of paths) visit(path, []);
  return cycles;
}

/** Why `node` does not belong in the core, if it does not. */
function impurity(node: ts.Node): string | undefined {
  if (ts.isNewExpression(node)) {
    return "`new` allocates on a heap that no two instances share safely. Fix: use a row";
  }
  if (ts.isArrayLiteralExpression(node)) {
    return "an array literal becomes a data segment. Fix: compute the value, or write it to a row";
  }
  const isString =
    ts.isStringLiteral(node) ||
    ts.isNoSubstitutionTemplateLiteral(node) ||
    ts.isTemplateExpression(node);
  // Import paths, the arguments of decorators, offsetof("…") and ERROR("…") exist only for the
  // compiler.
  const isForCompiler =
    ts.isImportDeclaration(node.parent) ||
    ts.isExportDeclaration(node.parent) ||
    (ts.isCallExpression(node.parent) &&
      (ts.isDecorator(node.parent.parent) ||
        ["ERROR", "offsetof"].includes(node.parent.expression.getText())));
  if (isString && !isForCompiler) {
    return "a string becomes a data segment. Fix: return a status; src/ has the words";
  }
  if (
    ts.isVariableStatement(node) &&
    ts.isSourceFile(node.parent) &&
    !(node.declarationList.flags & ts.NodeFlags.Const)
  ) {
    return "a module-level variable is one per instance. Fix: make it const, or use a row";
  }
  return undefined;
}

/** What only the loader in src/core may do: name a .wasm file, compile it, instantiate it. */
function wasmUse(node: ts.Node): string | undefined {
  if (ts.isStringLiteralLike(node) && /^\S+\.wasm$/.test(node.text)) return `names ${node.text}`;
  if (ts.isPropertyAccessExpression(node) && node.expression.getText() === "WebAssembly") {
    const { text } = node.name;
    if (/^(compile|instantiate|Instance$)/.test(text)) return `uses WebAssembly.${text}`;
  }
  return undefined;
}

describe("tidy", () => {
  test("lines have at most 100 columns (a line with a link may be longer)", () => {
    const isLong = (line: string): boolean =>
      line.length > COLUMNS_MAX && [...line].length > COLUMNS_MAX && !line.includes("https://");
    const message = `longer than ${COLUMNS_MAX} columns. Fix: wrap the line`;
    expectNone(code.flatMap((path) => linesWhere(path, isLong, message)));
  });

  test("files have at most 600 lines", () => {
    // One table for two compilers: the core's cannot follow an import that ends in .js.
    const cut = code.filter((path) => path !== "src/core/abi.ts");
    const long = cut.filter((path) => read(path).split("\n").length - 1 > LINES_MAX);
    expectNone(
      long.map((path) => `${path}:${LINES_MAX + 1}: too long. Fix: split it by responsibility`),
    );
  });

  test("no file names a path outside the repository", () => {
    // Written in halves, so that this file does not name them either.
    const outside = [["/work", "/"].join(""), ["../", "shared"].join("")];
    const isOutside = (line: string): boolean => outside.some((path) => line.includes(path));
    const message = "a path that others do not have. Fix: name it from the root";
    expectNone(
      files
        .filter((path) => !read(path).includes("\0"))
        .flatMap((path) => linesWhere(path, isOutside, message)),
    );
  });

  test("file names are kebab-case", () => {
    const kebab = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*$/;
    const named = files.filter((path) =>
      /^(src|assembly|test|bench|scripts|examples)\//.test(path),
    );
    const bad = named.filter(
      (path) =>
        basename(path) !== "README.md" && !path.split("/").every((part) => kebab.test(part)),
    );
    expectNone(
      bad.map((path) => `${path}:1: not kebab-case. Fix: rename it, like interval-tree.ts`),
    );
  });

  test("imports in src/ form no cycle", () => {
    const problems = importCycles(library).map((cycle) => {
      const [first, second] = cycle;
      const line = importsOf(first).find(({ target }) => target === second)?.line ?? 1;
      const path = cycle.join(" -> ");
      return `${first}:${line}: import cycle ${path}. Fix: move what both need below them`;
    });
    expectNone(problems);
  });

  test("src/core is the only importer of the .wasm", () => {
    const problems: string[] = [];
    for (const path of library.filter((path) => dirname(path) !== "src/core")) {
      walk(parse(path), (node) => {
        const use = wasmUse(node);
        if (use !== undefined) problems.push(`${path}:${lineOf(node)}: ${use}. Fix: ask src/core`);
      });
    }
    expectNone(problems);
  });

  test("assembly/ has no heap, no strings, no arrays and no variables of its own", () => {
    const problems: string[] = [];
    for (const path of core) {
      walk(parse(path), (node) => {
        const why = node.parent === undefined ? undefined : impurity(node);
        if (why !== undefined) problems.push(`${path}:${lineOf(node)}: ${why}`);
      });
    }
    expectNone(problems);
  });
});
