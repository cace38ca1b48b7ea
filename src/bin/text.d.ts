/** Text that the build puts into the bundle as it is. */
declare module '*.md' {
  const text: string;
  export default text;
}
