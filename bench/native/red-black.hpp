// A red-black tree of pinned pages as the kernel keeps them: a node a page, with the frame and how
// often it is pinned. Nodes come from a pool, in the order in which they are asked for; those that
// are given back are used first.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

using Page = int64_t;

class RedBlack {
 public:
  struct Node {
    Node *parent, *child[2];
    Page page, frame;
    int32_t count;
    int32_t red;
  };

  explicit RedBlack(size_t n) : pool(n) {}

  size_t size() const { return held; }

  void clear() {
    root = nullptr;
    unused = nullptr;
    taken = held = 0;
  }

  /** Branches, as in the kernel: what is guessed right is loaded early. */
  const Node *find(Page page) const {
    const Node *n = root;
    while (n) {
      if (page < n->page) n = n->child[0];
      else if (page > n->page) n = n->child[1];
      else break;
    }
    return n;
  }

  /** Pins a page once more, or for the first time; its node. */
  const Node *pin(Page page, Page frame) {
    Node *parent = nullptr;
    Node **link = &root;
    while (*link) {
      parent = *link;
      if (page < parent->page) {
        link = &parent->child[0];
      } else if (page > parent->page) {
        link = &parent->child[1];
      } else {
        parent->count++;
        return parent;
      }
    }
    Node *n = take();
    *n = Node{parent, {nullptr, nullptr}, page, frame, 1, 1};
    *link = n;
    held++;
    inserted(n);
    return n;
  }

  /** Gives a pin back; how many are left, or -1. */
  int unpin(Page page) {
    Node *n = const_cast<Node *>(find(page));
    if (!n) return -1;
    if (--n->count > 0) return n->count;
    remove(n);
    return 0;
  }

  const Node *first() const {
    const Node *n = root;
    while (n && n->child[0]) n = n->child[0];
    return n;
  }

  static const Node *next(const Node *n) {
    if (n->child[1]) {
      n = n->child[1];
      while (n->child[0]) n = n->child[0];
      return n;
    }
    const Node *from;
    do {
      from = n;
      n = n->parent;
    } while (n && from == n->child[1]);
    return n;
  }

  /** Are the pages in order, no red node under another, and black nodes as many on every path? */
  bool isSound() const {
    if (root && root->red) return false;
    int black = -1;
    size_t nodes = 0;
    for (const Node *n = first(); n; n = next(n)) {
      nodes++;
      const Node *after = next(n);
      if (after && after->page <= n->page) return false;
      if (n->red && (isRed(n->child[0]) || isRed(n->child[1]))) return false;
      for (const Node *child : n->child) {
        if (child && child->parent != n) return false;
      }
      if (n->child[0] && n->child[1]) continue;
      int depth = 0;
      for (const Node *up = n; up; up = up->parent) depth += !up->red;
      if (black >= 0 && depth != black) return false;
      black = depth;
    }
    return nodes == held;
  }

 private:
  std::vector<Node> pool;
  Node *root = nullptr;
  /** Nodes that were given back, by `parent`. */
  Node *unused = nullptr;
  size_t taken = 0;
  size_t held = 0;

  static bool isRed(const Node *n) { return n && n->red; }

  Node *take() {
    Node *n = unused;
    if (!n) return &pool[taken++];
    unused = n->parent;
    return n;
  }

  /** Puts `to`, which may be null, where `from` hangs. */
  void replace(Node *from, Node *to) {
    Node *parent = from->parent;
    if (!parent) root = to;
    else parent->child[from == parent->child[1]] = to;
    if (to) to->parent = parent;
  }

  /** Lifts the child of `n` on `side` over it. */
  void rotate(Node *n, int side) {
    Node *up = n->child[side];
    Node *between = up->child[!side];
    replace(n, up);
    up->child[!side] = n;
    n->parent = up;
    n->child[side] = between;
    if (between) between->parent = n;
  }

  /** `n` is red, and new: no red node may be above it. */
  void inserted(Node *n) {
    for (Node *parent; (parent = n->parent) && parent->red;) {
      // A red node is not the root: there is one above it.
      Node *top = parent->parent;
      int side = parent == top->child[1];
      Node *uncle = top->child[!side];
      if (isRed(uncle)) {
        parent->red = uncle->red = 0;
        top->red = 1;
        n = top;
        continue;
      }
      if (n == parent->child[!side]) {
        rotate(parent, !side);
        parent = n;
      }
      parent->red = 0;
      top->red = 1;
      rotate(top, side);
      return;
    }
    root->red = 0;
  }

  void remove(Node *n) {
    Node *parent = n->parent;
    Node *child;
    int red = n->red;
    if (n->child[0] && n->child[1]) {
      // Its successor takes its place and colour.
      Node *next = n->child[1];
      while (next->child[0]) next = next->child[0];
      child = next->child[1];
      red = next->red;
      parent = next;
      if (next != n->child[1]) {
        parent = next->parent;
        parent->child[0] = child;
        if (child) child->parent = parent;
        next->child[1] = n->child[1];
        next->child[1]->parent = next;
      }
      next->child[0] = n->child[0];
      next->child[0]->parent = next;
      next->red = n->red;
      replace(n, next);
    } else {
      child = n->child[n->child[0] == nullptr];
      replace(n, child);
    }
    held--;
    n->parent = unused;
    unused = n;
    if (!red) shortened(child, parent);
  }

  /** Paths to `n`, which may be null, below `parent` have a black node too few. */
  void shortened(Node *n, Node *parent) {
    while (parent && !isRed(n)) {
      int side = n == parent->child[0];
      // Both children null cannot be: the other one's paths have a black node more.
      Node *other = parent->child[side];
      if (other->red) {
        other->red = 0;
        parent->red = 1;
        rotate(parent, side);
        other = parent->child[side];
      }
      if (!isRed(other->child[0]) && !isRed(other->child[1])) {
        other->red = 1;
        n = parent;
        parent = n->parent;
        continue;
      }
      if (!isRed(other->child[side])) {
        other->child[!side]->red = 0;
        other->red = 1;
        rotate(other, !side);
        other = parent->child[side];
      }
      other->red = parent->red;
      parent->red = 0;
      other->child[side]->red = 0;
      rotate(parent, side);
      return;
    }
    if (n) n->red = 0;
  }
};
