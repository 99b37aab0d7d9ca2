/**
 * A message's content: text with code, links and mentions, or bytes with their size and a download.
 *
 * Law of this file: what others write reaches the page as text nodes and as the `href` of links whose scheme is
 * http, https or mailto, and in no other way.
 */

import { memo, type ReactElement, useState } from "react";
import type { Content } from "../model/entry";
import { beginning, kindOf, size } from "../text/kinds";
import { MOST_EXPANDED, shorten } from "../text/length";
import { type Inline, parse } from "../text/parse";
import { Icon } from "./icons";

interface Props {
  readonly content: Content;
  /** What a download of it is called, without its kind. */
  readonly title: string;
  readonly me: string;
}

export const Body = memo(function Body({ content, title, me }: Props): ReactElement {
  return typeof content === "string" ? (
    <Text text={content} title={title} me={me} />
  ) : (
    <Binary bytes={content} title={title} />
  );
});

function Text({ text, title, me }: { text: string; title: string; me: string }): ReactElement {
  const [expanded, setExpanded] = useState(false);
  const short = shorten(text);
  const shown = expanded ? text.slice(0, MOST_EXPANDED) : short.text;
  return (
    <div className="text" dir="auto">
      {parse(shown, me).map((block, index) =>
        block.kind === "code" ? (
          // a region that scrolls must be reachable by keyboard
          // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
          <pre key={index} className="code" tabIndex={0} role="region" aria-label={block.language ? `Code, ${block.language}` : "Code"} dir="ltr">
            {block.language !== "" && <span className="code-language">{block.language}</span>}
            <code>{block.text}</code>
          </pre>
        ) : (
          <p key={index}>
            {block.inlines.map((inline, place) => (
              <Piece key={place} inline={inline} me={me} />
            ))}
          </p>
        ),
      )}
      {text.trim() === "" && <p className="faint">(a message without text)</p>}
      {!short.whole && (
        <div className="text-more">
          <button type="button" className="button-link" aria-expanded={expanded} onClick={() => setExpanded(!expanded)}>
            {expanded ? "Show less" : offer(text.length, short.lines)}
          </button>
          {text.length > MOST_EXPANDED && (
            <button type="button" className="button-link" onClick={() => download([text], `${title}.txt`)}>
              Download the whole text
            </button>
          )}
        </div>
      )}
    </div>
  );
}

/** Say what one more click shows of so many characters, of which so many lines are left out. */
function offer(characters: number, lines: number): string {
  if (characters > MOST_EXPANDED) return `Show ${MOST_EXPANDED.toLocaleString()} of ${characters.toLocaleString()} characters`;
  if (lines > 0) return `Show ${lines.toLocaleString()} more ${lines === 1 ? "line" : "lines"}`;
  return `Show all ${characters.toLocaleString()} characters`;
}

function Piece({ inline, me }: { inline: Inline; me: string }): ReactElement {
  switch (inline.kind) {
    case "text":
      return <>{inline.text}</>;
    case "code":
      return <code className="code-inline">{inline.text}</code>;
    case "link":
      return (
        <a href={inline.href} target="_blank" rel="noopener noreferrer" title={inline.href}>
          {inline.text}
        </a>
      );
    case "mention":
      return (
        <span className={inline.name.toLowerCase() === me.toLowerCase() ? "mention mention-me" : "mention"}>
          {inline.text}
        </span>
      );
  }
}

function Binary({ bytes, title }: { bytes: Uint8Array; title: string }): ReactElement {
  const kind = kindOf(bytes);
  return (
    <div className="binary">
      <span className="binary-icon">
        <Icon name="file" size={22} />
      </span>
      <span className="binary-what">
        <span className="binary-kind">
          {kind.name}, {size(bytes.length)}
        </span>
        <span className="binary-bytes">{beginning(bytes)}</span>
      </span>
      <button
        type="button"
        className="button"
        aria-label={`Download ${kind.name}, ${size(bytes.length)}`}
        onClick={() => download([bytes], `${title}.${kind.extension}`)}
      >
        <Icon name="download" size={16} />
        <span>Download</span>
      </button>
    </div>
  );
}

/** Give the browser bytes to keep. Never of a type that it would show: they are others' bytes. */
export function download(parts: (string | Uint8Array)[], name: string): void {
  const url = URL.createObjectURL(new Blob(parts as BlobPart[], { type: "application/octet-stream" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
