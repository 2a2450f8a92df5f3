import { IsEmpty, IsIn, IsOptional, IsString, Length, Matches } from 'class-validator';

import { type Environment, ENVIRONMENTS, NAME_PATTERN } from '#vault';

/** The text fields beside the archive. */
export class ImportBody {
  /** The archive is a file; a text of this name is a mistake. */
  @IsEmpty({ message: '$property must be a file: the zip as it came' })
  archive?: undefined;

  /** The password of the archive. Neither kept nor logged. */
  @IsString()
  @Length(1, 1_024, { message: '$property must be 1 to 1024 characters' })
  password!: string;

  /** The client's name here. Default: its client id, as a name. */
  @IsOptional()
  @Matches(NAME_PATTERN, { message: '$property must be 1 to 63 characters of a-z, 0-9 and -, not starting with -' })
  name?: string;

  /** Default: that of the client which has this name, else `sandbox`. */
  @IsOptional()
  @IsIn(ENVIRONMENTS)
  environment?: Environment;

  /** Whether to show what would be stored, and store nothing. Default false. */
  @IsOptional()
  @IsIn(['true', 'false'])
  dry_run?: 'true' | 'false';

  /** Whether MobilePay must give a token for each of them before any is stored. Default false. */
  @IsOptional()
  @IsIn(['true', 'false'])
  test?: 'true' | 'false';
}
