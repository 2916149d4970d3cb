// What the programs have in common: the clock, samples, and reading the input. They are run by
// bench/native.ts:
//
//   PROGRAM FILE KIND WHAT SAMPLES MILLISECONDS
//
// and print one line of JSON: what one call returns, the proof, and nanoseconds an operation, one
// figure a sample.

#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

using Clock = std::chrono::steady_clock;

static double nanoseconds(Clock::time_point from) {
  return std::chrono::duration<double, std::nano>(Clock::now() - from).count();
}

/** One call of the work: how long it took, and what it returned. */
struct Call {
  double ns;
  double sum;
};

/** How long to measure for. */
struct Limits {
  size_t samples;
  double milliseconds;
};

/** Measures a `Bench`: call(k), proof(), and operations() of a call. */
template <class Bench>
static int measure(Bench &bench, Limits limits) {
  double wanted = limits.milliseconds * 1e6;
  double checksum = bench.call(0).sum;
  double proof = bench.proof();
  printf("{\"checksum\":%.0f,\"proof\":%.0f,\"nanoseconds\":[", checksum, proof);
  // A sample is as many calls as take a fiftieth of the time, so that the clock does not matter.
  double total = 0;
  size_t next = 1;
  for (size_t sample = 0; sample < limits.samples || total < wanted; sample++) {
    double ns = 0;
    size_t calls = 0;
    while (calls == 0 || ns < wanted / 50) {
      Call call = bench.call(next++);
      if (call.sum != checksum) {
        fprintf(stderr, "checksum changed to %.0f\n", call.sum);
        return 1;
      }
      ns += call.ns;
      calls++;
    }
    printf("%s%.6f", sample == 0 ? "" : ",", ns / calls / bench.operations());
    total += ns;
  }
  printf("]}\n");
  return 0;
}

template <class From, class To>
static void read(std::istream &file, std::vector<To> &list, size_t n) {
  std::vector<From> raw(n);
  file.read(reinterpret_cast<char *>(raw.data()), n * sizeof(From));
  list.assign(raw.begin(), raw.end());
}

/** Reads the arguments and the input, and calls `run(kind, what, limits)`; -1: no such kind. */
template <class Input, class Start>
static int start(int argc, char **argv, Input &input, const Start &run) {
  if (argc != 6 || !read(argv[1], input)) {
    fprintf(stderr, "%s FILE KIND WHAT SAMPLES MILLISECONDS\n", argv[0]);
    return 2;
  }
  Limits limits{std::strtoul(argv[4], nullptr, 10), std::strtod(argv[5], nullptr)};
  int status = run(std::string(argv[2]), std::string(argv[3]), limits);
  if (status < 0) fprintf(stderr, "no kind is called %s\n", argv[2]);
  return status < 0 ? 2 : status;
}
