// The native peer of `Iotlb`: an AVL tree of intrusive nodes for each address space. See
// harness.hpp for how it is run.
//
// The file is six doubles: n, cuts, address spaces; then how many queries, probes, removals there
// are. Then doubles: starts, lasts and addresses of the entries of the pool, n * cuts; pages of the
// queries; pages of the proof. Then 32-bit numbers: the address spaces of each of these; and the
// order of removals. What is not needed is empty.

#include "avl.hpp"
#include "harness.hpp"

struct Queries {
  std::vector<Page> pages;
  std::vector<uint32_t> asids;
};

struct Input {
  size_t n, cuts, spaces;
  std::vector<Page> starts, lasts, addrs;
  std::vector<uint32_t> asids, removals;
  Queries queries, probes;
};

struct Target {
  Page addr;
  uint32_t perm;
};

constexpr uint32_t READ = 1;
constexpr uint32_t BOTH = 3;

/** The entries of one address space. */
class Table {
 public:
  explicit Table(size_t most) : tree(most) { unused.reserve(most); }

  size_t size() const { return tree.size(); }

  void clear() {
    tree.clear();
    unused.clear();
    used = 0;
  }

  size_t add(Page start, Page last, Page addr) {
    uint32_t number = used;
    if (unused.empty()) {
      used++;
    } else {
      number = unused.back();
      unused.pop_back();
    }
    tree.insert(number, start, last, {addr, BOTH});
    return 1;
  }

  /** Where a page leads, or -1. */
  Page translate(Page page, uint32_t access) const {
    const auto *node = tree.find(page, page);
    if (!node || (node->perm & access) != access) return -1;
    return node->addr + (page - node->start);
  }

  size_t remove(Page start, Page last) {
    size_t removed = 0;
    while (const auto *node = tree.find(start, last)) {
      uint32_t number = tree.numberOf(node);
      tree.remove(number);
      unused.push_back(number);
      removed++;
    }
    return removed;
  }

 private:
  Avl<Target> tree;
  std::vector<uint32_t> unused;
  uint32_t used = 0;
};

// ---- What is measured ---------------------------------------------------------------------------

class Bench {
 public:
  Bench(const Input &input, const std::string &what)
      : in(input),
        what(what),
        tables(in.spaces, Table((in.n + in.spaces - 1) / in.spaces)) {
    if (isFixed()) fill(0);
  }

  double operations() const { return isFixed() ? in.queries.pages.size() : in.n * in.cuts; }

  /** A sample: all tables of the pool, or all queries. Filling is not timed. */
  Call call(size_t) {
    Call total{0, 0};
    for (size_t cut = 0; cut < (isFixed() ? 1 : in.cuts); cut++) {
      if (!isFixed()) clear();
      if (what == "delete") fill(cut);
      Clock::time_point from = Clock::now();
      Page sum = what == "add" ? fill(cut) : what == "delete" ? empty(cut) : ask(in.queries);
      total.ns += nanoseconds(from);
      total.sum += sum;
    }
    return total;
  }

  double proof() const {
    size_t size = 0;
    for (const Table &table : tables) size += table.size();
    return double(ask(in.probes)) + size;
  }

 private:
  const Input &in;
  std::string what;
  std::vector<Table> tables;

  bool isFixed() const { return what == "translate" || what == "miss"; }

  void clear() {
    for (Table &table : tables) table.clear();
  }

  Page fill(size_t cut) {
    Page sum = 0;
    for (size_t i = cut * in.n; i < (cut + 1) * in.n; i++) {
      sum += tables[in.asids[i]].add(in.starts[i], in.lasts[i], in.addrs[i]);
    }
    return sum;
  }

  Page empty(size_t cut) {
    Page sum = 0;
    size_t from = cut * in.n;
    for (size_t k = from; k < from + in.n; k++) {
      size_t i = from + in.removals[k];
      sum += tables[in.asids[i]].remove(in.starts[i], in.lasts[i]);
    }
    return sum;
  }

  Page ask(const Queries &queries) const {
    Page sum = 0;
    for (size_t i = 0; i < queries.pages.size(); i++) {
      sum += tables[queries.asids[i]].translate(queries.pages[i], READ);
    }
    return sum;
  }
};

// ---- Reading the input --------------------------------------------------------------------------

static bool read(const char *path, Input &input) {
  std::ifstream file(path, std::ios::binary);
  std::vector<size_t> head;
  read<double>(file, head, 6);
  if (!file) return false;
  input.n = head[0];
  input.cuts = head[1];
  input.spaces = head[2];
  size_t entries = input.n * input.cuts;
  read<double>(file, input.starts, entries);
  read<double>(file, input.lasts, entries);
  read<double>(file, input.addrs, entries);
  read<double>(file, input.queries.pages, head[3]);
  read<double>(file, input.probes.pages, head[4]);
  read<uint32_t>(file, input.asids, entries);
  read<uint32_t>(file, input.queries.asids, head[3]);
  read<uint32_t>(file, input.probes.asids, head[4]);
  read<uint32_t>(file, input.removals, head[5]);
  return bool(file);
}

int main(int argc, char **argv) {
  Input input;
  return start(argc, argv, input, [&](const auto &kind, const auto &what, Limits limits) {
    if (kind != "avl") return -1;
    Bench bench(input, what);
    return measure(bench, limits);
  });
}
