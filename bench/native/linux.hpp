// Linux's own interval tree and red-black tree, for those who have a copy of them: sources of
// btrfs-progs, in the include path. Called as the kernel calls them, on nodes in one array.

#pragma once

#include <cstdint>
#include <vector>

#define BTRFS_FLAT_INCLUDES 1
#define new new_
extern "C" {
#include "kerncompat.h"
#include "kernel-lib/rbtree.h"
#include "kernel-lib/rbtree_augmented.h"
#include "kernel-lib/rbtree.c"
#include "kernel-lib/interval_tree_generic.h"
}

struct LinuxEntry {
  rb_node rb;
  uint64_t start, last, reach;
};

#define ENTRY_START(entry) ((entry)->start)
#define ENTRY_LAST(entry) ((entry)->last)
INTERVAL_TREE_DEFINE(LinuxEntry, rb, uint64_t, reach, ENTRY_START, ENTRY_LAST, static inline,
                     linux_tree)
#undef new

class LinuxTree {
 public:
  using Page = int64_t;

  explicit LinuxTree(size_t n) : entries(n) { out.reserve(4096); }

  size_t size() const { return count; }

  void clear() {
    root = rb_root{};
    count = 0;
  }

  void insert(uint32_t i, Page start, Page last) {
    entries[i].start = start;
    entries[i].last = last;
    linux_tree_insert(&entries[i], &root);
    count++;
  }

  void remove(uint32_t i) {
    linux_tree_remove(&entries[i], &root);
    count--;
  }

  Page prove(Page start, Page last) const {
    LinuxEntry *entry = linux_tree_iter_first(&root, start, last);
    return entry ? entry->start + 1 : 0;
  }

  size_t first(Page start, Page last) {
    return linux_tree_iter_first(&root, start, last) != nullptr;
  }

  size_t countOf(Page start, Page last) {
    size_t found = 0;
    LinuxEntry *entry = linux_tree_iter_first(&root, start, last);
    for (; entry; entry = linux_tree_iter_next(entry, start, last)) found++;
    return found;
  }

  size_t all(Page start, Page last) {
    out.clear();
    LinuxEntry *entry = linux_tree_iter_first(&root, start, last);
    for (; entry; entry = linux_tree_iter_next(entry, start, last)) out.push_back(entry);
    return out.size();
  }

 private:
  std::vector<LinuxEntry> entries;
  std::vector<LinuxEntry *> out;
  mutable rb_root root{};
  size_t count = 0;
};
