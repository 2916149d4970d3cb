// An AVL tree of closed intervals, ordered by start, each node knowing the largest last below it.
// Nodes are part of what they describe: they stand in one array, and are called by their number.

#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

using Page = int64_t;

/** What a node holds besides its interval: nothing. */
struct Bare {};

template <class Payload = Bare>
class Avl {
 public:
  struct Node : Payload {
    Node *parent, *child[2];
    Page start, last, reach;
    int height;
  };

  explicit Avl(size_t n) : nodes(n) { out.reserve(4096); }

  size_t size() const { return count; }

  void clear() {
    root = nullptr;
    count = 0;
  }

  void insert(uint32_t i, Page start, Page last, const Payload &payload = {}) {
    Node *node = &nodes[i];
    Node *parent = nullptr;
    Node **link = &root;
    while (*link) {
      parent = *link;
      if (parent->reach < last) parent->reach = last;
      link = &parent->child[start >= parent->start];
    }
    *node = Node{payload, parent, {nullptr, nullptr}, start, last, last, 1};
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

  /** The first overlap, or null. */
  const Node *find(Page start, Page last) const {
    return reaches(root, start) ? findBelow(root, start, last) : nullptr;
  }

  /** The number that a node was inserted under. */
  uint32_t numberOf(const Node *node) const { return node - nodes.data(); }

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
