import { ConfigError, readSigner } from '../config.ts';
import { LOCAL_TOKEN_S, loadIdentity, signLocalToken } from '../identity.ts';
import { asJson, CliError, type Io } from './io.ts';
import { environmentOf, findSandbox } from './settings.ts';

export const TOKEN_MINUTES = LOCAL_TOKEN_S / 60;

/** Prints a token for the HTTP API of the orchestrator on this machine, whose key this user can read. */
export function token(io: Io, json: boolean): void {
  const { orchestratorId, keyFile } = signerOf(io);
  const request = { orchestratorId, now: io.now(), jti: io.newId() };
  const signed = signLocalToken(loadIdentity(keyFile), request);
  io.out(json ? asJson({ token: signed, expiresInS: LOCAL_TOKEN_S }) : signed);
}

function signerOf(io: Io): ReturnType<typeof readSigner> {
  try {
    return readSigner(environmentOf(io.env, findSandbox(io.cwd)));
  } catch (error) {
    if (error instanceof ConfigError) throw new CliError(error.message, { cause: error });
    throw error;
  }
}
