// Native peers of `PinnedPages`: a red-black tree of nodes from a pool, std::map and
// std::unordered_map. See harness.hpp for how they are run.
//
// The file is five doubles: n, cuts; then how many pages that leave, queries and probes there are.
// Then doubles: pages of the pool, n * cuts, and their frames; pages that leave; pages and frames
// of the queries; the pages of the proof. What is not needed is empty.

#include <map>
#include <unordered_map>

#include "harness.hpp"
#include "red-black.hpp"

static_assert(sizeof(RedBlack::Node) == 48, "as large as the kernel's");

struct Input {
  size_t n, cuts;
  std::vector<Page> pages, frames, leaving, queries, queryFrames, probes;
};

struct Pinned {
  Page frame;
  int64_t count;
};

// ---- One face for all ---------------------------------------------------------------------------

class Tree {
 public:
  explicit Tree(size_t n) : tree(n) {}
  size_t size() const { return tree.size(); }
  void clear() { tree.clear(); }
  Page pin(Page page, Page frame) { return tree.pin(page, frame)->frame; }
  int unpin(Page page) { return tree.unpin(page); }
  bool isSound() const { return tree.isSound(); }

  /** No pin at all, if it is not pinned. */
  Pinned find(Page page) const {
    const RedBlack::Node *n = tree.find(page);
    return n ? Pinned{n->frame, n->count} : Pinned{-1, 0};
  }

  template <class Visit>
  void walk(const Visit &visit) const {
    for (auto n = tree.first(); n; n = RedBlack::next(n)) visit(n->page, n->frame, n->count);
  }

 private:
  RedBlack tree;
};

/** A map of the library. */
template <class Map>
class Mapped {
 public:
  explicit Mapped(size_t) {}
  size_t size() const { return map.size(); }
  void clear() { map.clear(); }
  bool isSound() const { return true; }

  Page pin(Page page, Page frame) {
    auto [at, isNew] = map.try_emplace(page, Pinned{frame, 1});
    if (!isNew) at->second.count++;
    return at->second.frame;
  }

  int unpin(Page page) {
    auto at = map.find(page);
    if (at == map.end()) return -1;
    int left = --at->second.count;
    if (left == 0) map.erase(at);
    return left;
  }

  Pinned find(Page page) const {
    auto at = map.find(page);
    return at == map.end() ? Pinned{-1, 0} : at->second;
  }

  template <class Visit>
  void walk(const Visit &visit) const {
    for (const auto &[page, pinned] : map) visit(page, pinned.frame, pinned.count);
  }

 private:
  Map map;
};

// ---- What is measured ---------------------------------------------------------------------------

template <class Store>
class Bench {
 public:
  Bench(const Input &input, const std::string &what) : in(input), what(what), store(input.n) {
    if (isFixed()) fill(0);
  }

  double operations() const { return isFixed() ? in.queries.size() : in.n * in.cuts; }

  /** A sample: all stores of the pool, or all queries. Filling and giving back are not timed. */
  Call call(size_t) {
    Call total{0, 0};
    if (isFixed()) {
      time(total, 0);
      // Given back by the next call: the proof is to see what was pinned.
      return total;
    }
    for (size_t cut = 0; cut < in.cuts; cut++) {
      store.clear();
      if (what != "pin") fill(cut);
      time(total, cut);
    }
    return total;
  }

  double proof() {
    if (!store.isSound() || (what == "unpin" && !staysSound())) return -1;
    double sum = 0;
    size_t i = 0;
    if (what == "walk") {
      store.walk([&](Page page, Page frame, Page count) {
        sum += double(i % 1024 + 1) * ((page + 3 * frame + 5 * count) % 65536);
        i++;
      });
      return sum;
    }
    for (Page page : in.probes) {
      Pinned pinned = store.find(page);
      sum += double(i++ % 16 + 1) * (pinned.frame + 1 + 3 * pinned.count);
    }
    return sum + store.size();
  }

 private:
  const Input &in;
  std::string what;
  Store store;
  bool isRepinned = false;

  bool isFixed() const { return what == "lookup" || what == "repin"; }

  /** Empties the last store once more, and looks at it now and then. */
  bool staysSound() {
    fill(in.cuts - 1);
    const Page *leaving = &in.leaving[in.n * (in.cuts - 1)];
    bool isSound = true;
    for (size_t i = 0; i < in.n; i++) {
      store.unpin(leaving[i]);
      if (i % (in.n / 64 + 1) == 0) isSound = isSound && store.isSound();
    }
    return isSound;
  }

  void fill(size_t cut) {
    for (size_t i = cut * in.n; i < (cut + 1) * in.n; i++) store.pin(in.pages[i], in.frames[i]);
  }

  void time(Call &total, size_t cut) {
    if (isRepinned) {
      for (Page page : in.queries) store.unpin(page);
    }
    isRepinned = what == "repin";
    Clock::time_point from = Clock::now();
    Page sum = work(cut);
    total.ns += nanoseconds(from);
    total.sum += sum;
  }

  Page work(size_t cut) {
    Page sum = 0;
    size_t from = cut * in.n;
    size_t to = from + in.n;
    if (what == "pin") {
      for (size_t i = from; i < to; i++) sum += store.pin(in.pages[i], in.frames[i]);
    } else if (what == "unpin") {
      for (size_t i = from; i < to; i++) sum += store.unpin(in.leaving[i]) + 1;
    } else if (what == "lookup") {
      for (Page page : in.queries) sum += store.find(page).frame;
    } else if (what == "repin") {
      for (size_t i = 0; i < in.queries.size(); i++) {
        sum += store.pin(in.queries[i], in.queryFrames[i]);
      }
    } else if (what == "walk") {
      store.walk([&](Page, Page frame, Page count) { sum += frame + count; });
    }
    return sum;
  }
};

template <class Store>
static int run(const Input &input, const std::string &what, Limits limits) {
  Bench<Store> bench(input, what);
  return measure(bench, limits);
}

// ---- Reading the input --------------------------------------------------------------------------

static bool read(const char *path, Input &input) {
  std::ifstream file(path, std::ios::binary);
  std::vector<size_t> head;
  read<double>(file, head, 5);
  if (!file) return false;
  input.n = head[0];
  input.cuts = head[1];
  read<double>(file, input.pages, input.n * input.cuts);
  read<double>(file, input.frames, input.n * input.cuts);
  read<double>(file, input.leaving, head[2]);
  read<double>(file, input.queries, head[3]);
  read<double>(file, input.queryFrames, head[3]);
  read<double>(file, input.probes, head[4]);
  return bool(file);
}

int main(int argc, char **argv) {
  Input input;
  return start(argc, argv, input, [&](const auto &kind, const auto &what, Limits limits) {
    if (kind == "rbtree") return run<Tree>(input, what, limits);
    if (kind == "map") return run<Mapped<std::map<Page, Pinned>>>(input, what, limits);
    if (kind == "unordered_map") {
      return run<Mapped<std::unordered_map<Page, Pinned>>>(input, what, limits);
    }
    return -1;
  });
}
