// Before the first paint, so that a chosen theme does not flash. Everything else about it is in
// src/ui/theme.ts. A file of its own because the content security policy allows no inline script.
try {
  const theme = localStorage.getItem("skein.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is blocked: as the system has it.
}
