// The dashboard as Grafana's own types have it (npm: @grafana/schema). `Checked` is as strict as they allow: a property
// that they do not know, or a word that is none of theirs, is an error.
import type * as schema from '@grafana/schema';
import type * as bargauge from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type * as gauge from '@grafana/schema/dist/esm/raw/composable/gauge/panelcfg/x/GaugePanelCfg_types.gen';
import type * as heatmap from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as timeline from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';
// The only version that has it.
import type { PrometheusDataQuery } from 'grafana-10/dist/esm/raw/composable/prometheus/dataquery/x/PrometheusDataQuery_types.gen';

// Types say `enum`, and JSON has the words of it.
type Words<T> = 0 extends 1 & T
  ? T
  : T extends string
    ? `${T}`
    : T extends number | boolean | null | undefined
      ? T
      : T extends object
        ? { [Key in keyof T]: Words<T[Key]> }
        : T;

type Defaults<Custom> = Omit<schema.FieldConfig, 'custom'> & { custom: Custom };

type Panel<Type extends string, Options, Custom = Record<string, never>> = Omit<
  schema.Panel,
  'type' | 'options' | 'fieldConfig' | 'targets'
> & {
  type: Type;
  options: Options;
  targets: PrometheusDataQuery[];
  fieldConfig: { defaults: Defaults<Custom>; overrides: schema.FieldConfigSource['overrides'] };
};

type Panels =
  | schema.RowPanel
  // Its options are in no published type.
  | Panel<'alertlist', Record<string, unknown>>
  | Panel<'bargauge', Partial<bargauge.Options>>
  | Panel<'gauge', Partial<gauge.Options>>
  | Panel<'heatmap', Partial<heatmap.Options>, heatmap.FieldConfig>
  | Panel<'stat', Partial<stat.Options>>
  | Panel<'state-timeline', Partial<timeline.Options>, timeline.FieldConfig>
  | Panel<'table', Partial<table.Options>, Partial<table.FieldConfig>>
  | Panel<'timeseries', timeseries.Options, timeseries.FieldConfig>;

// What the data source for Prometheus adds.
type Annotation = schema.AnnotationQuery & {
  expr?: string;
  step?: string;
  tagKeys?: string;
  textFormat?: string;
  titleFormat?: string;
  useValueForTime?: boolean;
};

type Variable = schema.VariableModel & { definition?: string };

export type Checked = Words<
  Omit<schema.Dashboard, 'panels' | 'annotations' | 'templating'> & {
    panels: Panels[];
    annotations: { list: Annotation[] };
    templating: { list: Variable[] };
  }
>;
