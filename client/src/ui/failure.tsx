/**
 * Catches a view that broke, and keeps the rest of the app going. What a person wrote is safe: drafts and
 * edits are kept by the app below the views, keystroke by keystroke.
 */
import { Component, type ReactNode } from "react";
import { Button } from "./button.tsx";
import { copyText } from "./clipboard.ts";
import "./failure.css";

interface FailureProps {
  /** What broke, as people call it: "This note". */
  readonly what: string;
  readonly children: ReactNode;
}

interface FailureState {
  readonly error: Error | undefined;
}

export class Failure extends Component<FailureProps, FailureState> {
  override readonly state: FailureState = { error: undefined };

  static getDerivedStateFromError(error: unknown): FailureState {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (error === undefined) return this.props.children;
    return (
      <div className="failure" role="alert">
        <h2 className="failure-title">{this.props.what} could not be shown</h2>
        <p>
          {isMissingPart(error)
            ? "A part of the app could not be loaded: there is no connection, or the app was updated meanwhile."
            : "Something in the app broke."}{" "}
          What you wrote is kept on this device.
        </p>
        <div className="failure-actions">
          <Button look="primary" onPress={() => this.setState({ error: undefined })}>
            Try again
          </Button>
          <Button onPress={() => location.reload()}>Reload</Button>
          <Button look="quiet" onPress={() => void copyText(detailsOf(error))}>
            Copy details
          </Button>
        </div>
      </div>
    );
  }
}

/** A lazy part of the app that did not load, by the browsers' own words. */
function isMissingPart({ message }: Error): boolean {
  return /dynamically imported module|module script|Unable to preload/iu.test(message);
}

function detailsOf(error: Error): string {
  return `${error.name}: ${error.message}\n${error.stack ?? ""}`;
}
