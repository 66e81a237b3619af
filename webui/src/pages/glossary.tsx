import { t } from '../texts';
import { Page } from '../ui/parts';

export function GlossaryPage() {
  return (
    <Page title={t.glossary.title} lead={t.glossary.lead} kind="narrow">
      <dl class="card words">
        {t.glossary.words.map(([word, term, text]) => (
          <div key={word}>
            <dt>
              {word} <span class="term">{term}</span>
            </dt>
            <dd class="soft">{text}</dd>
          </div>
        ))}
      </dl>
    </Page>
  );
}
