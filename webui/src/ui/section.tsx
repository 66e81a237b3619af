import { Fragment, type ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';

interface SectionProps {
  title: string;
  term?: ComponentChildren; // the official word, or a remark, small beside the title
  right?: ComponentChildren;
  plain?: boolean; // its content reaches the edges
  children: ComponentChildren;
}

/** A card with a heading. */
export function Section({ title, term, right, plain, children }: SectionProps) {
  const id = useId();
  return (
    <section class={plain ? 'card plain' : 'card'} aria-labelledby={id}>
      <div class={plain ? 'head inset' : 'head'}>
        <h2 id={id}>{title}</h2>
        {term && <span class="term">{term}</span>}
        {right && <span class="right">{right}</span>}
      </div>
      {children}
    </section>
  );
}

/** What something is called, and what it is. */
export type Fact = readonly [name: string, value: ComponentChildren];

export function Facts({ facts }: { facts: readonly Fact[] }) {
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <Fragment key={name}>
          <dt>{name}</dt>
          <dd class="num">{value}</dd>
        </Fragment>
      ))}
    </dl>
  );
}
