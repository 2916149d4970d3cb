// Sources of the programs in wider.mjs.

/** Workers that make and drop arrays, with a collector of their own each. */
export const PHP_FORK = `<?php
function churn($seed) {
  $kept = [];
  for ($i = 0; $i < 3000; $i++) {
    $kept[] = str_repeat("x", 500 + ($seed * $i * 37) % 60000);
    if (count($kept) > 150) $kept = array_slice($kept, 75);
  }
  return count($kept);
}
for ($i = 1; $i <= 4; $i++) {
  $pid = pcntl_fork();
  if ($pid === 0) { churn($i); exit(0); }
  churn($i + 10);
  pcntl_waitpid($pid, $status);
}
`;

export const LUA = `
local function churn(seed)
  local kept = {}
  for i = 1, 20000 do
    kept[#kept + 1] = string.rep("x", 100 + (seed * i * 31) % 30000)
    if #kept > 200 then
      local rest = {}
      for j = 100, #kept do rest[#rest + 1] = kept[j] end
      kept = rest
    end
  end
end
for i = 1, 2 do churn(i) local p = io.popen("sort /etc/passwd | wc -l") p:read("a") p:close() end
`;

/** A server of threads and a client of threads, over loopback. */
export const PYTHON_HTTP = `
import http.server, threading, urllib.request
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"x" * (1000 + hash(self.path) % 300_000)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
def load(seed):
    for i in range(60):
        urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/{seed}/{i}").read()
clients = [threading.Thread(target=load, args=(i,)) for i in range(3)]
for client in clients: client.start()
for client in clients: client.join()
server.shutdown()
`;

/** Shared memory between processes, and pages that are shared after fork. */
export const PYTHON_SHARED = `
import mmap, os
from multiprocessing import Process
from multiprocessing.shared_memory import SharedMemory
def work(name, seed):
    memory = SharedMemory(name=name)
    for i in range(0, memory.size, 4096): memory.buf[(i * seed) % memory.size] = seed
    private = mmap.mmap(-1, 4 << 20)
    for round in range(3):
        for i in range(0, len(private), 4096): private[i] = 1
        private.madvise(mmap.MADV_DONTNEED)
    private.close()
    memory.close()
if __name__ == "__main__":
    memory = SharedMemory(create=True, size=4 << 20)
    workers = [Process(target=work, args=(memory.name, 1 + 2 * i)) for i in range(3)]
    for worker in workers: worker.start()
    for worker in workers: worker.join()
    memory.close()
    memory.unlink()
`;

export const NODE_WASM = `
import { Worker, isMainThread, workerData } from "node:worker_threads";
import { fileURLToPath } from "node:url";
const here = fileURLToPath(import.meta.url);
if (isMainThread) {
  const shared = new SharedArrayBuffer(1 << 20);
  for (let i = 0; i < 3; i++) new Worker(here, { workerData: { shared, i } });
} else {
  const view = new Int32Array(workerData.shared);
  for (let round = 0; round < 20; round++) {
    const memory = new WebAssembly.Memory({ initial: 4, maximum: 64 });
    for (let i = 0; i < 20; i++) {
      memory.grow(2);
      new Uint8Array(memory.buffer).fill(i, memory.buffer.byteLength - 100_000);
    }
    Atomics.add(view, workerData.i, 1);
  }
}
`;

/** A program of many packages, so that the compiler runs in parallel. */
export const GO_BUILD = `
package main

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	w := gzip.NewWriter(os.Stdout)
	json.NewEncoder(w).Encode(map[string]int{"a": 1})
	w.Close()
	fmt.Fprintln(os.Stderr, "done")
}
`;

export const GO_MAPS = `
package main

import (
	"runtime"
	"sort"
	"sync"
)

type node struct{ left, right *node }

func tree(depth int) *node {
	if depth == 0 {
		return &node{}
	}
	return &node{tree(depth - 1), tree(depth - 1)}
}

func main() {
	var group sync.WaitGroup
	for i := 0; i < 6; i++ {
		group.Add(1)
		go func(seed int) {
			defer group.Done()
			counts := map[int][]int{}
			for i := 0; i < 60000; i++ {
				counts[i*seed%5000] = append(counts[i*seed%5000], i)
			}
			for i := 0; i < 12; i++ {
				tree(13)
			}
			all := make([]int, 300000)
			for i := range all {
				all[i] = i * seed % 100003
			}
			sort.Ints(all)
			runtime.GC()
		}(i + 2)
	}
	group.Wait()
}
`;

export const RUST_MAIN = `
use std::collections::HashMap;
use std::thread;
fn churn(seed: usize) -> usize {
    let mut map: HashMap<usize, Vec<u8>> = HashMap::new();
    for i in 0..20000 {
        map.insert(i * seed % 300, vec![1; 100 + i * seed % 50000]);
    }
    map.len()
}
fn main() {
    let threads: Vec<_> = (0..4).map(|i| thread::spawn(move || churn(i + 3))).collect();
    let total: usize = threads.into_iter().map(|t| t.join().unwrap()).sum();
    println!("{}", total);
}
`;

/** C that links in parallel: many functions in files that call each other. */
export const LTO = `
for i in 1 2 3 4 5 6; do
  for j in $(seq 1 80); do
    echo "int g\${i}_\${j}(int x) { for (int k = 0; k < $j; k++) x = x * k + $i; return x; }"
  done > l$i.c
done
{ for i in 1 2 3 4 5 6; do for j in $(seq 1 80); do echo "int g\${i}_\${j}(int);"; done; done
  echo "int main(int n, char **v) { int s = n;"
  for i in 1 2 3 4 5 6; do for j in $(seq 1 80); do echo "s += g\${i}_\${j}(s);"; done; done
  echo "return s & 1; }"; } > main.c
`;

export const GUILE = `
(use-modules (ice-9 threads))
(define (churn seed)
  (let loop ((i 0) (kept '()))
    (if (< i 3000)
        (loop (+ i 1)
              (if (> (length kept) 100) '()
                  (cons (make-bytevector (+ 100 (modulo (* seed i 37) 60000)) 1) kept))))))
(use-modules (rnrs bytevectors))
(for-each join-thread (map (lambda (i) (begin-thread (churn i))) '(3 5 7)))
`;

export const ERLANG = `
-module(churn).
-export([main/0]).
main() ->
  Self = self(),
  Pids = [spawn(fun() -> work(I, 2000, []), Self ! done end) || I <- lists:seq(1, 20)],
  [receive done -> ok end || _ <- Pids],
  halt().
work(_, 0, _) -> ok;
work(I, N, Kept) ->
  Next = [binary:copy(<<"x">>, 100 + (I * N * 37) rem 40000) | Kept],
  work(I, N - 1, case length(Next) > 50 of true -> []; false -> Next end).
`;

/** Workers of nginx under load from ab, in the foreground, all in one directory. */
export const NGINX_CONF = `
worker_processes 2;
daemon off;
pid nginx.pid;
error_log stderr crit;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp;
  uwsgi_temp_path tmp; scgi_temp_path tmp;
  gzip on; gzip_types text/plain; gzip_min_length 100;
  server { listen 127.0.0.1:7394; root html; default_type text/plain; }
}
`;

export const NGINX = `
nginx -p $PWD -c nginx.conf -e stderr &
sleep 0.4
ab -q -n 3000 -c 8 -H "Accept-Encoding: gzip" http://127.0.0.1:7394/words.txt > /dev/null
ab -q -n 3000 -c 8 http://127.0.0.1:7394/words.txt > /dev/null
kill %1
wait
`;

/** A cluster of its own; its user must be able to reach it. */
export const POSTGRES_SETUP = `
chmod 711 .. . && mkdir data && chown postgres data
runuser -u postgres -- $(ls -d /usr/lib/postgresql/*/bin | tail -1)/initdb -A trust -N -D $PWD/data
`;

export const POSTGRES = `
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
as="runuser -u postgres --"
$as $bin/postgres -D $PWD/data -p 7395 -k $PWD/data -c listen_addresses= > /dev/null 2>&1 &
for i in $(seq 50); do sleep 0.1; $as $bin/pg_isready -q -h $PWD/data -p 7395 && break; done
$as $bin/pgbench -h $PWD/data -p 7395 -i -q -s 1 postgres > /dev/null 2>&1
$as $bin/pgbench -h $PWD/data -p 7395 -n -c 4 -j 2 -t 150 postgres > /dev/null 2>&1
kill -INT $(head -1 data/postmaster.pid)
wait
`;
