/**
 * How long a step took, in the time that this thread had the processor: others on the machine do not
 * make an input slow. Collections of garbage do; whoever measures does so more than once.
 */
export function stepClockUs(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}
