/** Error numbers of the kernel, by name, as system calls give them. */

/** What the models of the kernel's interfaces can fail with. */
export const ERRNOS = [
  ...(["EPERM", "ENOENT", "EINTR", "E2BIG", "EAGAIN", "ENOMEM", "EACCES", "EFAULT"] as const),
  ...(["EBUSY", "EEXIST", "ENODEV", "EINVAL", "ENOTTY", "ENOSPC", "EDEADLOCK"] as const),
  ...(["EADDRINUSE", "EMSGSIZE", "EOVERFLOW", "EOPNOTSUPP", "ENOTSUPP"] as const),
  ...(["EBADF", "ENOBUFS", "EIO"] as const),
] as const;

/** One of {@link ERRNOS}. */
export type Errno = (typeof ERRNOS)[number];
