// More programs, of kinds that programs.mjs does not have. `known` as there.

import * as sources from "./sources.mjs";

const LINES = "seq 1 40000 | awk '{ print ($1 * 7919) % 1000003, $1 }'";

/** An instance of a stress-ng stressor, for a second. */
function stress(name, known, ...more) {
  const command = ["stress-ng", `--${name}`, "1", ...more, "-t", "1", "--seed", "1"];
  return { name: `stress-ng ${name}`, known, command };
}

/** See PROGRAMS of programs.mjs. */
export const WIDER = [
  {
    name: "php, fork",
    known: true,
    files: { "fork.php": sources.PHP_FORK },
    command: ["php", "-d", "memory_limit=-1", "fork.php"],
  },
  {
    name: "nginx under load",
    known: true,
    files: { "nginx.conf": sources.NGINX_CONF, "load.sh": sources.NGINX },
    setup: `mkdir html tmp && ${LINES} > html/words.txt && chmod 711 .. . && chmod -R 777 tmp`,
    needs: ["nginx", "ab"],
    command: ["bash", "load.sh"],
  },
  {
    name: "gcc -flto",
    known: true,
    setup: sources.LTO,
    command: [
      "gcc",
      "-O2",
      "-flto=2",
      "-o",
      "lto",
      ..."123456".split("").map((i) => `l${i}.c`),
      "main.c",
    ],
  },
  {
    name: "imagemagick",
    known: true,
    command: [
      "convert",
      "-size",
      "1200x900",
      "gradient:red-blue",
      "-blur",
      "0x4",
      "-resize",
      "50%",
      "out.ppm",
    ],
  },
  {
    name: "go, maps and trees",
    known: true,
    files: { "maps.go": sources.GO_MAPS },
    setup: "HOME=$PWD GOFLAGS=-mod=mod go build -o maps maps.go",
    needs: ["go"],
    command: ["./maps"],
  },
  {
    name: "python, shared memory",
    known: true,
    files: { "shared.py": sources.PYTHON_SHARED },
    command: ["/usr/bin/python3", "shared.py"],
  },
  stress("brk", true, "--brk-ops", "20000"),
  stress("mmapfork", true, "--mmapfork-ops", "2"),
  stress("pthread", true, "--pthread-ops", "300"),
  stress("malloc", true, "--malloc-ops", "20000"),
  stress("shm-sysv", true, "--shm-sysv-bytes", "8M"),
  stress("mmapaddr", true, "--mmapaddr-ops", "3000"),
  {
    name: "postgresql, pgbench",
    known: false,
    files: { "bench.sh": sources.POSTGRES },
    setup: sources.POSTGRES_SETUP,
    needs: ["runuser", "psql"],
    command: ["bash", "bench.sh"],
  },
  {
    name: "lua, popen",
    known: true,
    files: { "churn.lua": sources.LUA },
    command: ["lua5.4", "churn.lua"],
  },
  {
    name: "ffmpeg",
    known: false,
    command: [
      ...["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc=size=320x240:duration=2"],
      ...["-threads", "3", "-c:v", "mpeg4", "-y", "out.avi"],
    ],
  },
  {
    name: "rustc",
    known: false,
    files: { "main.rs": sources.RUST_MAIN },
    command: ["rustc", "-O", "-o", "churn", "main.rs"],
  },
  {
    name: "rust, threads",
    known: false,
    files: { "main.rs": sources.RUST_MAIN },
    setup: "rustc -O -o churn main.rs",
    needs: ["rustc"],
    command: ["./churn"],
  },
  {
    name: "go build",
    known: false,
    files: { "main.go": sources.GO_BUILD },
    command: ["bash", "-c", "HOME=$PWD GOFLAGS=-mod=mod go build -p 2 -o main main.go"],
    needs: ["go"],
  },
  {
    name: "javac",
    known: false,
    setup: `for i in $(seq 30); do echo "class C$i { int f(int x) { return x * $i; } }" > C$i.java; done`,
    command: ["bash", "-c", "javac *.java"],
    needs: ["javac"],
  },
  {
    name: "python, http server",
    known: false,
    files: { "http_load.py": sources.PYTHON_HTTP },
    command: ["/usr/bin/python3", "http_load.py"],
  },
  {
    name: "node, workers and wasm",
    known: false,
    files: { "wasm.mjs": sources.NODE_WASM },
    command: ["node", "wasm.mjs"],
  },
  {
    name: "guile, threads",
    known: false,
    files: { "churn.scm": sources.GUILE },
    command: ["guile", "--no-auto-compile", "churn.scm"],
  },
  {
    name: "erlang",
    known: false,
    files: { "churn.erl": sources.ERLANG },
    setup: "erlc churn.erl",
    needs: ["erlc"],
    command: ["erl", "-noshell", "-pa", ".", "-s", "churn", "main"],
  },
  {
    name: "git clone",
    known: false,
    setup:
      "git init -q repo && cd repo && git config user.email a@b && git config user.name a && " +
      "for i in $(seq 1 30); do seq $i $((i * 40)) > f$((i % 17)); git add . && git commit -qm $i; done",
    command: ["git", "clone", "-q", "--no-local", "repo", "copy"],
  },
  {
    name: "openssl speed",
    known: true,
    command: ["openssl", "speed", "-seconds", "1", "-multi", "2", "sha256"],
  },
  stress("stack", false, "--stack-ops", "30"),
  stress("bigheap", false, "--bigheap-growth", "1M"),
  stress("exec", false, "--exec-ops", "100"),
  stress("mmapfixed", true, "--mmapfixed-ops", "500"),
  stress("remap", true, "--remap-ops", "50"),
  stress("mlock", true, "--mlock-ops", "500"),
  stress("vfork", false, "--vfork-ops", "300"),
  stress("fault", true, "--fault-ops", "2000"),
];
