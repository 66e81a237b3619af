const command = /(localcloud(?: (?:[a-z]+|--[a-z-]+|[A-Z]+|[0-9a-f]{24}|:[0-9]+))+)/;

/** A sentence of the cloud, with the commands in it set apart. */
export function Prose({ text }: { text: string }) {
  return <>{text.split(command).map((part, i) => (i % 2 ? <code key={i}>{part}</code> : part))}</>;
}
