// Native peers of `IntervalTree`: an augmented AVL tree of intrusive nodes, and std::multimap for
// intervals that do not overlap. See harness.hpp for how they are run.
//
// The file is eight doubles: n, cuts, picks in one call; then how many standing entries, queries,
// intervals of the pool, picks, removals there are. Then doubles: starts and lasts of the standing
// entries, the queries, the pool, the places that picks go to. Then 32-bit numbers: the picks, and
// the order of removals. What is not needed is empty.

#include <iterator>
#include <map>

#include "avl.hpp"
#ifdef LINUX_TREE
#include "linux.hpp"
#endif
#include "harness.hpp"

struct Intervals {
  std::vector<Page> starts, lasts;
};

struct Input {
  size_t n, cuts, batch;
  Intervals entries, queries, pool, fresh;
  std::vector<uint32_t> picks, removals;
};

// ---- std::multimap by start: enough where nothing overlaps --------------------------------------

class Multimap {
 public:
  explicit Multimap(size_t n) : places(n) {}

  size_t size() const { return map.size(); }
  void clear() { map.clear(); }
  void insert(uint32_t i, Page start, Page last) { places[i] = map.emplace(start, last); }
  void remove(uint32_t i) { map.erase(places[i]); }

  Page prove(Page start, Page last) const {
    auto it = find(start);
    return it != map.end() && it->first <= last ? it->first + 1 : 0;
  }

  size_t first(Page start, Page last) const {
    auto it = find(start);
    return it != map.end() && it->first <= last;
  }

  size_t countOf(Page start, Page last) const {
    size_t found = 0;
    for (auto it = find(start); it != map.end() && it->first <= last; ++it) found++;
    return found;
  }

  size_t all(Page start, Page last) {
    out.clear();
    for (auto it = find(start); it != map.end() && it->first <= last; ++it) out.push_back(it);
    return out.size();
  }

 private:
  using Map = std::multimap<Page, Page>;
  Map map;
  std::vector<Map::iterator> places;
  std::vector<Map::const_iterator> out;

  /** The first that ends at `start` or later: only the one that starts before it may hold it. */
  Map::const_iterator find(Page start) const {
    auto it = map.upper_bound(start);
    if (it != map.begin() && std::prev(it)->second >= start) return std::prev(it);
    return it;
  }
};

// ---- What is measured ---------------------------------------------------------------------------

template <class Tree>
class Bench {
 public:
  Bench(const Input &input, const std::string &what) : in(input), what(what), tree(input.n) {
    for (size_t i = 0; i < in.entries.starts.size(); i++) {
      tree.insert(i, in.entries.starts[i], in.entries.lasts[i]);
    }
  }

  double operations() const {
    if (what == "insert") return double(in.n) * in.cuts;
    if (what == "remove") return double(in.n / 2) * in.cuts;
    return what == "churn" ? in.batch : in.queries.starts.size();
  }

  double proof() const {
    double sum = 0;
    for (size_t i = 0; i < in.queries.starts.size(); i++) {
      sum += tree.prove(in.queries.starts[i], in.queries.lasts[i]);
    }
    return sum;
  }

  Call call(size_t k) {
    if (what == "remove") return removals();
    Clock::time_point from = Clock::now();
    double sum = work(k);
    return {nanoseconds(from), sum};
  }

 private:
  const Input &in;
  std::string what;
  Tree tree;

  double work(size_t k) {
    const Intervals &q = in.queries;
    size_t sum = 0;
    if (what == "first") {
      for (size_t i = 0; i < q.starts.size(); i++) sum += tree.first(q.starts[i], q.lasts[i]);
    } else if (what == "count") {
      for (size_t i = 0; i < q.starts.size(); i++) sum += tree.countOf(q.starts[i], q.lasts[i]);
    } else if (what == "all") {
      for (size_t i = 0; i < q.starts.size(); i++) sum += tree.all(q.starts[i], q.lasts[i]);
    } else if (what == "stab") {
      for (size_t i = 0; i < q.starts.size(); i++) sum += tree.all(q.starts[i], q.starts[i]);
    } else if (what == "insert") {
      for (size_t cut = 0; cut < in.cuts; cut++) {
        fill(cut);
        sum += tree.size();
      }
    } else if (what == "churn") {
      size_t from = k * in.batch % in.picks.size();
      for (size_t i = from; i < from + in.batch; i++) {
        tree.remove(in.picks[i]);
        tree.insert(in.picks[i], in.fresh.starts[i], in.fresh.lasts[i]);
      }
      sum = tree.size();
    }
    return sum;
  }

  void fill(size_t cut) {
    tree.clear();
    for (size_t i = 0, at = cut * in.n; i < in.n; i++, at++) {
      tree.insert(i, in.pool.starts[at], in.pool.lasts[at]);
    }
  }

  /** Filling is not timed. */
  Call removals() {
    Call total{0, 0};
    for (size_t cut = 0; cut < in.cuts; cut++) {
      fill(cut);
      const uint32_t *order = &in.removals[cut * in.n];
      Clock::time_point from = Clock::now();
      for (size_t i = 0; i < in.n / 2; i++) tree.remove(order[i]);
      total.ns += nanoseconds(from);
      total.sum += tree.size();
    }
    return total;
  }
};

// ---- Reading the input --------------------------------------------------------------------------

static void read(std::istream &file, Intervals &list, size_t n) {
  read<double>(file, list.starts, n);
  read<double>(file, list.lasts, n);
}

static bool read(const char *path, Input &input) {
  std::ifstream file(path, std::ios::binary);
  std::vector<size_t> head;
  read<double>(file, head, 8);
  if (!file) return false;
  input.n = head[0];
  input.cuts = head[1];
  input.batch = head[2];
  read(file, input.entries, head[3]);
  read(file, input.queries, head[4]);
  read(file, input.pool, head[5]);
  read(file, input.fresh, head[6]);
  read<uint32_t>(file, input.picks, head[6]);
  read<uint32_t>(file, input.removals, head[7]);
  return bool(file);
}

template <class Tree>
static int run(const Input &input, const std::string &what, Limits limits) {
  Bench<Tree> bench(input, what);
  return measure(bench, limits);
}

int main(int argc, char **argv) {
  Input input;
  return start(argc, argv, input, [&](const auto &kind, const auto &what, Limits limits) {
    if (kind == "avl") return run<Avl<>>(input, what, limits);
    if (kind == "multimap") return run<Multimap>(input, what, limits);
#ifdef LINUX_TREE
    if (kind == "linux") return run<LinuxTree>(input, what, limits);
#endif
    return -1;
  });
}
