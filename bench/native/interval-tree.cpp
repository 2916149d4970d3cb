// Native peers of `IntervalTree`: an augmented AVL tree of intrusive nodes, and std::multimap for
// intervals that do not overlap. Run by bench/interval-tree/native.ts:
//
//   interval-tree FILE KIND WHAT SAMPLES MILLISECONDS
//
// FILE is eight doubles: n, cuts, picks in one call; then how many standing entries, queries,
// intervals of the pool, picks, removals there are. Then doubles: starts and lasts of the standing
// entries, the queries, the pool, the places that picks go to. Then 32-bit numbers: the picks, and
// the order of removals. What WHAT does not need is empty. Prints one line of JSON: what one call
// returns (for removals: all trees of the pool), the proof, and nanoseconds an operation, one
// figure a sample.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

using Page = int64_t;

struct Intervals {
  std::vector<Page> starts, lasts;
};

struct Input {
  size_t n, cuts, batch;
  Intervals entries, queries, pool, fresh;
  std::vector<uint32_t> picks, removals;
};

// ---- An AVL tree ordered by start, each node knowing the largest last below it ----------------

struct Node {
  Node *parent, *child[2];
  Page start, last, reach;
  int height;
};

class Avl {
 public:
  explicit Avl(size_t n) : nodes(n) { out.reserve(4096); }

  size_t size() const { return count; }

  void clear() {
    root = nullptr;
    count = 0;
  }

  void insert(uint32_t i, Page start, Page last) {
    Node *node = &nodes[i];
    Node *parent = nullptr;
    Node **link = &root;
    while (*link) {
      parent = *link;
      if (parent->reach < last) parent->reach = last;
      link = &parent->child[start >= parent->start];
    }
    *node = Node{parent, {nullptr, nullptr}, start, last, last, 1};
    *link = node;
    count++;
    grown(parent);
  }

  void remove(uint32_t i) {
    Node *node = &nodes[i];
    Node *changed = node->parent;
    Node *moved = nullptr;
    if (node->child[0] && node->child[1]) {
      // Its successor takes its place.
      Node *next = node->child[1];
      while (next->child[0]) next = next->child[0];
      changed = next;
      if (next != node->child[1]) {
        changed = next->parent;
        replace(next, next->child[1]);
        next->child[1] = node->child[1];
        next->child[1]->parent = next;
      }
      next->child[0] = node->child[0];
      next->child[0]->parent = next;
      next->height = node->height;
      next->reach = node->reach;
      replace(node, next);
      moved = next;
    } else {
      replace(node, node->child[node->child[0] == nullptr]);
    }
    count--;
    shrunk(changed, moved);
  }

  Page prove(Page start, Page last) const {
    const Node *node = find(start, last);
    return node ? node->start + 1 : 0;
  }

  size_t first(Page start, Page last) const { return find(start, last) != nullptr; }

  size_t countOf(Page start, Page last) const {
    size_t found = 0;
    for (const Node *n = find(start, last); n; n = next(n, start, last)) found++;
    return found;
  }

  size_t all(Page start, Page last) {
    out.clear();
    for (const Node *n = find(start, last); n; n = next(n, start, last)) out.push_back(n);
    return out.size();
  }

 private:
  std::vector<Node> nodes;
  std::vector<const Node *> out;
  Node *root = nullptr;
  size_t count = 0;

  static int height(const Node *n) { return n ? n->height : 0; }
  static bool reaches(const Node *n, Page start) { return n && n->reach >= start; }

  static const Node *findBelow(const Node *n, Page start, Page last) {
    while (n) {
      if (reaches(n->child[0], start)) {
        n = n->child[0];
      } else {
        // Nothing to the left ends late enough: from here on the order decides.
        if (n->start > last) return nullptr;
        if (n->last >= start) return n;
        n = reaches(n->child[1], start) ? n->child[1] : nullptr;
      }
    }
    return nullptr;
  }

  const Node *find(Page start, Page last) const {
    return reaches(root, start) ? findBelow(root, start, last) : nullptr;
  }

  static const Node *next(const Node *n, Page start, Page last) {
    for (;;) {
      if (reaches(n->child[1], start)) return findBelow(n->child[1], start, last);
      const Node *from;
      do {
        from = n;
        n = n->parent;
        if (!n) return nullptr;
      } while (from == n->child[1]);
      if (n->start > last) return nullptr;
      if (n->last >= start) return n;
    }
  }

  /** Puts `to`, which may be null, where `from` hangs. */
  void replace(Node *from, Node *to) {
    Node *parent = from->parent;
    if (!parent) root = to;
    else parent->child[from == parent->child[1]] = to;
    if (to) to->parent = parent;
  }

  static Page reachOf(const Node *n) {
    Page reach = n->last;
    for (const Node *child : n->child) {
      if (child && child->reach > reach) reach = child->reach;
    }
    return reach;
  }

  static void measure(Node *n) {
    n->height = 1 + std::max(height(n->child[0]), height(n->child[1]));
    n->reach = reachOf(n);
  }

  /** Lifts the child of `n` on `side` over it. */
  Node *rotate(Node *n, int side) {
    Node *up = n->child[side];
    Node *between = up->child[!side];
    replace(n, up);
    up->child[!side] = n;
    n->parent = up;
    n->child[side] = between;
    if (between) between->parent = n;
    measure(n);
    measure(up);
    return up;
  }

  /** `n`, or what stands in its place once it is balanced. */
  Node *balance(Node *n) {
    int lean = height(n->child[1]) - height(n->child[0]);
    if (lean >= -1 && lean <= 1) return n;
    int side = lean > 0;
    Node *heavy = n->child[side];
    if (height(heavy->child[!side]) > height(heavy->child[side])) rotate(heavy, !side);
    return rotate(n, side);
  }

  /** After an insertion below `n`: heights, up to where one stays as it was. */
  void grown(Node *n) {
    for (; n; n = n->parent) {
      int before = n->height;
      int now = 1 + std::max(height(n->child[0]), height(n->child[1]));
      if (now == before) return;
      n->height = now;
      n = balance(n);
      if (n->height == before) return;
    }
  }

  /**
   * After a removal below `n`: heights and reaches, up to where both stay as they were, but at
   * least up to `moved`, which stands in the place of another.
   */
  void shrunk(Node *n, const Node *moved) {
    bool passed = moved == nullptr;
    for (; n; n = n->parent) {
      passed = passed || n == moved;
      int before = n->height;
      Page reach = n->reach;
      measure(n);
      n = balance(n);
      if (passed && n->height == before && n->reach == reach) return;
    }
  }
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

using Clock = std::chrono::steady_clock;

static double nanoseconds(Clock::time_point from) {
  return std::chrono::duration<double, std::nano>(Clock::now() - from).count();
}

/** One call of the work: how long it took, and what it returned. */
struct Call {
  double ns;
  double sum;
};

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

template <class Tree>
static int run(const Input &input, const std::string &what, size_t samples, double milliseconds) {
  Bench<Tree> bench(input, what);
  double checksum = bench.call(0).sum;
  double proof = bench.proof();
  printf("{\"checksum\":%.0f,\"proof\":%.0f,\"nanoseconds\":[", checksum, proof);
  // A sample is as many calls as take a fiftieth of the time, so that the clock does not matter.
  double total = 0;
  size_t next = 1;
  for (size_t sample = 0; sample < samples || total < milliseconds * 1e6; sample++) {
    double ns = 0;
    size_t calls = 0;
    while (calls == 0 || ns < milliseconds * 1e6 / 50) {
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

// ---- Reading the input --------------------------------------------------------------------------

template <class From, class To>
static void read(std::istream &file, std::vector<To> &list, size_t n) {
  std::vector<From> raw(n);
  file.read(reinterpret_cast<char *>(raw.data()), n * sizeof(From));
  list.assign(raw.begin(), raw.end());
}

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

int main(int argc, char **argv) {
  Input input;
  if (argc != 6 || !read(argv[1], input)) {
    fprintf(stderr, "interval-tree FILE KIND WHAT SAMPLES MILLISECONDS\n");
    return 2;
  }
  std::string kind = argv[2];
  size_t samples = std::strtoul(argv[4], nullptr, 10);
  double milliseconds = std::strtod(argv[5], nullptr);
  if (kind == "avl") return run<Avl>(input, argv[3], samples, milliseconds);
  if (kind == "multimap") return run<Multimap>(input, argv[3], samples, milliseconds);
  fprintf(stderr, "no kind is called %s\n", kind.c_str());
  return 2;
}
