/** The mark: a skein of yarn, one thread twisted over and under itself. The icons have the same drawing. */
export function Mark({ size = 32 }: { readonly size?: number }) {
  return (
    <svg className="mark" width={size} height={size} viewBox="0 0 64 64" aria-hidden="true">
      <g fill="none" stroke="currentColor" strokeWidth="6">
        <path d="M32.4 23.4C26.8 22 23.2 22.1 22.6 25.4 22 28.6 24.1 34.9 25.6 41.2 27.1 47.5 27.6 53.4 25.5 55.5 23.3 57.7 18.6 56.1 14.4 52.5 10.2 48.9 7 43.7 7.5 40.5 8 37.3 12.3 36.5 18.3 37.4" />
        <path d="M31.6 40.6C37.2 42 40.8 41.9 41.4 38.6 42 35.4 39.9 29.1 38.4 22.8 36.9 16.5 36.4 10.6 38.5 8.5 40.7 6.3 45.4 7.9 49.6 11.5 53.8 15.1 57 20.3 56.5 23.5 56 26.7 51.7 27.5 45.7 26.6" />
      </g>
    </svg>
  );
}
