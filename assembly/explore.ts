export function exploreStub(): i32 { return 0; }
