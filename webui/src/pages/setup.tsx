import { useState } from 'preact/hooks';
import { api } from '../api/client';
import { session } from '../api/session';
import { go } from '../router';
import { t } from '../texts';
import { Button, Check, Failure, Form, TextField, useAction } from '../ui/parts';
import { Door } from './login';

/** The first page of a new cloud: it makes the owner's account. */
export function SetupPage() {
  const [code, setCode] = useState('');
  const [user, setUser] = useState('');
  const [password, setPassword] = useState('');
  const [show, setShow] = useState(false);
  const { busy, error, run } = useAction(async () => {
    const answer = await api('POST', '/v1/localcloud/setup', { body: { code: code.trim(), username: user.trim(), password } });
    go('connect', { replace: true });
    session.began(answer);
  });
  return (
    <Door title={t.setup.title} lead={t.setup.lead}>
      <Form onSubmit={run}>
        <TextField label={t.setup.code} hint={t.setup.codeHint} value={code} onValue={setCode} class="input mono" autocapitalize="characters" spellcheck={false} required autofocus />
        <TextField label={t.setup.user} hint={t.setup.userHint} value={user} onValue={setUser} autocomplete="username" autocapitalize="none" spellcheck={false} required />
        <TextField
          label={t.setup.password}
          hint={t.setup.passwordHint}
          value={password}
          onValue={setPassword}
          type={show ? 'text' : 'password'}
          autocomplete="new-password"
          minlength={8}
          required
        />
        <Check checked={show} onChecked={setShow}>
          {t.setup.show}
        </Check>
        {error && <Failure error={error} />}
        <Button kind="primary" type="submit" busy={busy}>
          {t.setup.submit}
        </Button>
      </Form>
    </Door>
  );
}
