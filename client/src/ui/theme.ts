/**
 * Light, dark, or as the system has it. The choice is a setting of the person; this device keeps a copy
 * where public/theme.js finds it before anything is painted.
 */

export type Theme = "system" | "light" | "dark";

export const themeSetting = "theme";

export function themeOf(setting: string | undefined): Theme {
  return setting === "light" || setting === "dark" ? setting : "system";
}

export function showTheme(theme: Theme): void {
  const root = document.documentElement;
  if (theme === "system") delete root.dataset["theme"];
  else root.dataset["theme"] = theme;
  try {
    // The name must be the one in public/theme.js.
    if (theme === "system") localStorage.removeItem("skein.theme");
    else localStorage.setItem("skein.theme", theme);
  } catch {
    // Without localStorage the first paint follows the system, and nothing else is lost.
  }
}
