import { IsBoolean, IsIn, IsObject, IsString, Length } from 'class-validator';

import { BASIC_ENCODINGS, type BasicEncoding, type Environment, ENVIRONMENTS } from '#vault';

import { IfGiven } from '../http/validated.js';

/** A client, as it is created or replaced. */
export class ClientBody {
  /** Which of MobilePay's environments knows it. */
  @IsIn(ENVIRONMENTS)
  environment!: Environment;

  @IsString()
  @Length(1, 512)
  client_id!: string;

  @IsString()
  @Length(1, 512)
  client_secret!: string;

  /** Fixed headers sent with each grant. Default none. */
  @IfGiven('extra_headers')
  @IsObject()
  extra_headers?: Record<string, string>;

  /** How id and secret are joined for Basic. Default `plain`. */
  @IfGiven('basic_encoding')
  @IsIn(BASIC_ENCODINGS)
  basic_encoding?: BasicEncoding;

  /** Default true. */
  @IfGiven('enabled')
  @IsBoolean()
  enabled?: boolean;
}

export class ClientPatch {
  @IsBoolean()
  enabled!: boolean;
}

export class SecretBody {
  @IsString()
  @Length(1, 512)
  client_secret!: string;
}

export class RetireQuery {
  /** Whether the last secret that is known to work may go. Default false. */
  @IfGiven('force')
  @IsIn(['true', 'false'])
  force?: 'true' | 'false';
}
