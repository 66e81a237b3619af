import { render } from 'preact';
import './style/tokens.css';
import './style/base.css';
import './style/shell.css';
import './style/parts.css';
import './style/pages.css';
import './style/health.css';
import { App } from './app';

render(<App />, document.getElementById('app')!);
