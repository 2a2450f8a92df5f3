import { applyDecorators } from '@nestjs/common';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsObject,
  IsOptional,
  IsString,
  Matches,
  Max,
  Min,
  ValidateNested,
} from 'class-validator';

import { CERTIFICATE_NAME_PATTERN, CLIENT_PATTERN, type Grant, MERCHANT_PATTERN, type Role, ROLES } from '#vault';

import { IfGiven, IsClientName, IsMerchantVat } from '../http/validated.js';

const TEN_YEARS_SECONDS = 315_360_000;

/** What a caller may ask tokens for. */
export class GrantBody implements Grant {
  /** A client's name, or the beginning of one with `*` behind it. */
  @IsString()
  @Matches(CLIENT_PATTERN, { message: '$property must be a client name, or the beginning of one with * behind it' })
  client!: string;

  /** VAT numbers, or the beginnings of some with `*` behind it. */
  @IsArray()
  @ArrayMaxSize(4_000)
  @IsString({ each: true })
  @Matches(MERCHANT_PATTERN, {
    each: true,
    message: '$property must each be DK or FI and 8 digits, or the beginning of that with * behind it',
  })
  merchants: string[] = [];

  /** Whether tokens bound to no merchant are granted. Default false. */
  @IsBoolean()
  unrestricted = false;
}

const AreCertificateNames = () =>
  applyDecorators(
    IsArray(),
    ArrayUnique(),
    ArrayMaxSize(100),
    IsString({ each: true }),
    Matches(CERTIFICATE_NAME_PATTERN, {
      each: true,
      message: '$property must each be uri:, dns: (in lower case) or email: and the exact name, without wildcards',
    }),
  );

/** A caller, as it is created or replaced. */
export class CallerBody {
  @IsArray()
  @ArrayUnique()
  @IsIn(ROLES, { each: true })
  roles!: Role[];

  /** Needed for the role `token` alone. */
  @IsArray()
  @ArrayMaxSize(1_000)
  // Without it, an array in an array would pass for a grant.
  @IsObject({ each: true })
  @ValidateNested({ each: true })
  @Type(() => GrantBody)
  grants: GrantBody[] = [];

  /** Subject alternative names of client certificates that speak for it, such as
   *  `uri:spiffe://cluster/ns/shops/sa/till`. No other caller may have one of them. */
  @AreCertificateNames()
  certificate_names: string[] = [];
}

/** What of a caller changes; the rest stays. */
export class CallerPatch {
  @IfGiven('roles')
  @IsArray()
  @ArrayUnique()
  @IsIn(ROLES, { each: true })
  roles?: Role[];

  @IfGiven('grants')
  @IsArray()
  @ArrayMaxSize(1_000)
  @IsObject({ each: true })
  @ValidateNested({ each: true })
  @Type(() => GrantBody)
  grants?: GrantBody[];

  @IfGiven('certificate_names')
  @AreCertificateNames()
  certificate_names?: string[];
}

/** For what a caller's grants are to be judged. */
export class CanQuery {
  @IsClientName()
  client!: string;

  /** Absent: a token bound to no merchant. */
  @IsOptional()
  @IsMerchantVat()
  merchant_vat?: string;
}

export class CallerKeyBody {
  /** How long the key is good for, in seconds; for ever if absent. 1 to ten years. */
  @IfGiven('expires_in')
  @IsInt()
  @Min(1)
  @Max(TEN_YEARS_SECONDS)
  expires_in?: number;
}
