// The programs that are recorded. `known` ones were looked at while the rules of docs/replay.md were
// found; the others were recorded and scored, and nothing was changed because of them.

import { WIDER } from "./wider.mjs";

/** C sources that take a compiler a moment each. */
const SOURCES = `
for i in 1 2 3 4 5 6 7 8; do
  echo '#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>' > f$i.c
  for j in $(seq 1 60); do
    echo "double f\${i}_\${j}(double x) { for (int k = 0; k < $j; k++) x = sin(x) * k; return x; }" >> f$i.c
  done
done
printf 'OBJ = f1.o f2.o f3.o f4.o f5.o f6.o f7.o f8.o\\nall: $(OBJ)\\n%%.o: %%.c\\n\\tgcc -O2 -c $< -o $@\\n' \\
  > Makefile
`;

const NODE_GC = `
import { Worker, isMainThread } from "node:worker_threads";
import { fileURLToPath } from "node:url";
if (isMainThread) for (let i = 0; i < 2; i++) new Worker(fileURLToPath(import.meta.url));
let kept = [];
for (let i = 0; i < 300; i++) {
  const round = [];
  for (let j = 0; j < 2000; j++) round.push({ i, j, text: "x".repeat(j % 50), next: [i, j] });
  kept.push(round, new Uint8Array(40_000 + i * 100));
  if (kept.length > 20) kept = kept.slice(10);
}
`;

const PYTHON_FORK = `
import os, threading
def work(seed):
    kept = []
    for i in range(200):
        kept.append(bytearray(3000 + (seed * i) % 200_000))
        if len(kept) > 40:
            kept = kept[20:]
    return kept
for round in range(4):
    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for t in threads: t.start()
    child = os.fork()
    if child == 0:
        work(round)
        os._exit(0)
    for t in threads: t.join()
    os.waitpid(child, 0)
`;

const PYTHON_POOL = `
from multiprocessing import Pool
def work(n):
    return sum(len(bytearray(1000 * (i % 50))) for i in range(n * 20))
if __name__ == "__main__":
    with Pool(3) as pool:
        print(sum(pool.map(work, range(60))))
`;

const JAVA_GC = `
import java.util.*;
public class Gc {
  static void churn(int seed) {
    List<byte[]> kept = new ArrayList<>();
    for (int i = 0; i < 4000; i++) {
      kept.add(new byte[1000 + (seed * i) % 60000]);
      if (kept.size() > 200) kept.subList(0, 100).clear();
    }
  }
  public static void main(String[] args) throws Exception {
    Thread[] threads = new Thread[3];
    for (int i = 0; i < 3; i++) { int s = i + 7; threads[i] = new Thread(() -> churn(s)); }
    for (Thread t : threads) t.start();
    for (Thread t : threads) t.join();
  }
}
`;

const PERL = `
my @kept;
for my $i (1 .. 3000) {
  push @kept, join(",", map { $_ * $i } 1 .. 200);
  @kept = @kept[100 .. $#kept] if @kept > 200;
  if ($i % 500 == 0) { my $pid = fork(); if (!$pid) { my %h = map { $_ => $i } 1 .. 5000; exit 0 } waitpid $pid, 0 }
}
`;

const RUBY = `
def work(seed)
  kept = []
  400.times do |i|
    kept << "x" * (2000 + (seed * i * 97) % 90_000)
    kept = kept.drop(20) if kept.size > 40
  end
end
4.times do |round|
  threads = 3.times.map { |i| Thread.new { work(i + 1) } }
  pid = fork { work(round + 5) }
  threads.each(&:join)
  Process.wait(pid)
end
`;

const GO = `
package main

import "sync"

func churn(seed int) int {
	var kept [][]byte
	for i := 0; i < 6000; i++ {
		kept = append(kept, make([]byte, 500+(seed*i*31)%70000))
		if len(kept) > 200 {
			kept = append([][]byte{}, kept[100:]...)
		}
	}
	return len(kept)
}

func main() {
	var group sync.WaitGroup
	for i := 0; i < 4; i++ {
		group.Add(1)
		go func(seed int) { churn(seed); group.Done() }(i + 3)
	}
	group.Wait()
}
`;

const REDIS = `
redis-server --port 7391 --bind 127.0.0.1 --save "" --daemonize no --dir . > /dev/null &
sleep 0.5
redis-benchmark -p 7391 -q -n 20000 -r 20000 -d 200 -t set > /dev/null
redis-cli -p 7391 bgsave > /dev/null
redis-benchmark -p 7391 -q -n 20000 -r 20000 -d 200 -t set > /dev/null
redis-cli -p 7391 shutdown nosave
wait
`;

const SQL = `
create table t (a integer primary key, b text, c real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 60000)
  insert into t select i, hex(randomblob(20)), i * 1.5 from n;
create index t_b on t (b);
select count(*), sum(c) from t where b like 'A%';
delete from t where a % 3 = 0;
vacuum;
`;

const REPOSITORY = `
git init -q repo && cd repo && git config user.email a@b && git config user.name a &&
for i in $(seq 1 60); do seq $i $((i * 40)) > f$((i % 17)); git add . && git commit -qm $i; done
`;

const WORDS = "seq 1 400000 | awk '{ print ($1 * 7919) % 1000003, $1 }' > words.txt";
const BYTES = "head -c 24000000 /dev/urandom | base64 > bytes.txt";

/** A stress-ng stressor: `name`, one or more instances, for so many seconds. */
function stress(name, known, { instances = 1, seconds = 1, more = [] } = {}) {
  const args = [`--${name}`, `${instances}`, ...more, "-t", `${seconds}`, "--seed", "1"];
  return { name: `stress-ng ${name}`, known, command: ["stress-ng", ...args] };
}

/**
 * Name, whether it was looked at, the command, and what must be done in its directory beforehand:
 * `files` by name, then `setup` by bash. An entry of `lacks` that is no program makes it missing.
 */
export const PROGRAMS = [
  stress("tlb-shootdown", true, { instances: 2 }),
  stress("mremap", true, { more: ["--mremap-bytes", "8M"] }),
  stress("madvise", true),
  {
    name: "parallel sort",
    known: true,
    setup: WORDS,
    command: ["sort", "--parallel=2", "-S", "24M", "-o", "sorted.txt", "words.txt"],
  },
  {
    name: "xz, threads",
    known: true,
    setup: BYTES,
    command: ["xz", "-T2", "-1", "-k", "bytes.txt"],
  },
  { name: "parallel compile", known: true, setup: SOURCES, command: ["make", "-s", "-j2"] },
  {
    name: "node, workers and GC",
    known: true,
    files: { "gc.mjs": NODE_GC },
    command: ["node", "--max-semi-space-size=2", "gc.mjs"],
  },
  {
    name: "python, threads and fork",
    known: true,
    files: { "fork.py": PYTHON_FORK },
    command: ["/usr/bin/python3", "fork.py"],
  },
  stress("mmap", true, { more: ["--mmap-bytes", "8M"] }),
  stress("vm", true, { more: ["--vm-bytes", "16M"] }),
  stress("fork", true, { more: ["--fork-ops", "300"] }),
  {
    name: "java, threads and GC",
    known: true,
    files: { "Gc.java": JAVA_GC },
    setup: "javac Gc.java",
    needs: ["javac"],
    command: ["java", "-Xmx48m", "-cp", ".", "Gc"],
  },
  {
    name: "python, process pool",
    known: true,
    files: { "pool.py": PYTHON_POOL },
    command: ["/usr/bin/python3", "pool.py"],
  },
  { name: "perl, fork", known: true, files: { "fork.pl": PERL }, command: ["perl", "fork.pl"] },
  stress("mprotect", false, { more: ["--mprotect-ops", "3000"] }),
  stress("munmap", true, { more: ["--munmap-ops", "300"] }),
  stress("clone", true, { more: ["--clone-ops", "300"] }),
  stress("switch", false, { more: ["--switch-ops", "20000"] }),
  {
    name: "sqlite3",
    known: true,
    files: { "load.sql": SQL },
    command: ["sqlite3", "data.db", ".read load.sql"],
  },
  {
    name: "git gc",
    known: false,
    setup: REPOSITORY,
    needs: ["awk"],
    command: ["git", "-C", "repo", "gc", "--quiet", "--aggressive"],
  },
  {
    name: "zstd, threads",
    known: true,
    setup: BYTES,
    command: ["zstd", "-q", "-T2", "-9", "-f", "bytes.txt"],
  },
  {
    name: "tar and pigz",
    known: false,
    setup: BYTES,
    needs: ["pigz"],
    command: ["tar", "-c", "-I", "pigz -p 2", "-f", "bytes.tar.gz", "bytes.txt"],
  },
  {
    name: "ruby, threads and fork",
    known: false,
    files: { "fork.rb": RUBY },
    command: ["ruby", "fork.rb"],
  },
  {
    name: "go, goroutines and GC",
    known: true,
    files: { "gc.go": GO },
    setup: "HOME=$PWD GOFLAGS=-mod=mod go build -o gc gc.go",
    needs: ["go"],
    command: ["./gc"],
  },
  {
    name: "redis, background save",
    known: false,
    files: { "save.sh": REDIS },
    needs: ["redis-server", "redis-benchmark"],
    command: ["bash", "save.sh"],
  },
  ...WIDER,
];
